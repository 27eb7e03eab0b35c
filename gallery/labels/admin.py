"""Labels in the admin: name, prompts, and a threshold chosen from example shots."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.forms.utils import ErrorDict
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.clip import weights
from gallery.core.errors import GalleryError
from gallery.films.models import Film
from gallery.films.shortcuts import thumbnail_url
from gallery.labels import jobs, scoring
from gallery.labels import survey as label_survey
from gallery.labels.models import Label
from gallery.labels.survey import Bar, Coverage, ScoredShot, Survey

MAX_EXAMPLES = 12  # on either side of the threshold
MAX_BEST = 6  # of the best shots, if they are not among these
WIDTH, HEIGHT = 600, 90  # of the histogram, in SVG units
PREVIEW_BUTTONS = ("_look", "_take")  # "_take" holds the threshold of an example or suggestion


@dataclass(frozen=True, slots=True)
class Example:
    """An example shot; clicking it sets the threshold to `threshold`."""

    film: Film
    second: int
    score: float
    threshold: float
    thumbnail: str


@dataclass(frozen=True, slots=True)
class Column:
    """A bar of the histogram as drawn, in SVG units."""

    x: float
    y: float
    width: float
    height: float
    carries: bool


@dataclass(frozen=True)
class Preview:
    """The preview of a label being edited: examples around its threshold, and counts."""

    threshold: float | None = None
    suggestion: float | None = None
    survey: Survey | None = None
    carried: Coverage | None = None
    best: Sequence[Example] = ()
    above: Sequence[Example] = ()
    below: Sequence[Example] = ()
    bars: Sequence[Bar] = field(default_factory=list)
    error: str = ""

    @property
    def columns(self) -> list[Column]:
        """The bars of the histogram."""
        unit = WIDTH / (self.high - self.low)
        return [
            Column(
                x=round((bar.left - self.low) * unit, 2),
                y=round(HEIGHT * (1 - bar.height), 2),
                width=round(bar.width * unit - 1, 2),
                height=round(HEIGHT * bar.height, 2),
                carries=bar.left + bar.width / 2 >= (self.threshold or 0.0),
            )
            for bar in self.bars
            if bar.height
        ]

    @property
    def line(self) -> float:
        """The x coordinate of the threshold in the histogram."""
        part = ((self.threshold or 0.0) - self.low) / (self.high - self.low)
        return round(WIDTH * min(1.0, max(0.0, part)), 2)

    @property
    def low(self) -> float:
        """The lowest score of the histogram."""
        return self.bars[0].left if self.bars else 0.0

    @property
    def high(self) -> float:
        """The highest score of the histogram."""
        return self.bars[-1].left + self.bars[-1].width if self.bars else 1.0


def build_preview(label: Label, threshold: float | None) -> Preview:
    """Survey the library for a label's prompts; without a threshold, at the suggested one."""
    prompts = scoring.parse_prompts(label.prompts)[: scoring.MAX_PROMPTS]
    if not prompts:
        return Preview()
    try:
        survey = label_survey.survey(prompts, scoring.levels_of(label))
    except GalleryError as error:
        return Preview(error=str(error))
    if survey is None or not survey.shots:
        return Preview(error=_("Import a film before choosing a threshold."))
    suggestion = survey.suggestion()
    chosen = round(suggestion, 3) if threshold is None else threshold
    above, below = survey.around(chosen, MAX_EXAMPLES)
    rank = survey.rank(chosen)
    best = survey.shots[: min(MAX_BEST, rank - len(above))]
    films = Film.objects.in_bulk({shot.record.film for shot in (*best, *above, *below)})

    def examples(shots: Sequence[ScoredShot], first: int, *, carries: bool) -> list[Example]:
        """Return shots as examples. `first` is the rank of the first one.

        Clicking a shot that carries the label excludes it, clicking any other includes it.
        """
        return [
            Example(
                film=films[shot.record.film],
                second=shot.record.second,
                score=shot.score,
                threshold=round(survey.threshold_for(index if carries else index + 1), 3),
                thumbnail=thumbnail_url(films[shot.record.film], shot.record.second),
            )
            for index, shot in enumerate(shots, start=first)
            if shot.record.film in films
        ]

    return Preview(
        threshold=chosen,
        suggestion=round(suggestion, 3),
        survey=survey,
        carried=survey.coverage(chosen),
        best=examples(best, 0, carries=True),
        above=examples(above, rank - len(above), carries=True),
        below=examples(below, rank, carries=False),
        bars=survey.bars(),
    )


def is_preview(data: QueryDict | None) -> bool:
    """Return whether a form was sent to see its preview, which works without JavaScript."""
    return data is not None and any(name in data for name in PREVIEW_BUTTONS)


class LabelForm(forms.ModelForm):
    """A label; without a threshold it gets the suggested one.

    A form sent by one of PREVIEW_BUTTONS is never valid, but shows no errors: the admin shows it
    again as it was filled in, and saves nothing.
    """

    threshold = forms.FloatField(
        label=gettext_lazy("Threshold"),
        required=False,
        min_value=-20,
        max_value=40,
        help_text=gettext_lazy(
            "Standard deviations above an average scene (0). Leave empty for the suggestion."
        ),
        widget=forms.NumberInput(attrs={"step": "0.001", "inputmode": "decimal"}),
    )

    class Meta:
        model = Label
        fields = ("name", "prompts", "threshold")
        widgets = {"prompts": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"})}

    def __init__(self, data: QueryDict | None = None, *args: Any, **kwargs: Any) -> None:
        self.is_preview = is_preview(data)
        if data is not None and self.is_preview:
            data = data.copy()
            data["threshold"] = data.get("_take") or data.get("threshold", "")
        super().__init__(data, *args, **kwargs)

    def full_clean(self) -> None:
        """Report no errors in a form that is only previewed."""
        if self.is_preview:
            self._errors, self.cleaned_data = ErrorDict(), {}
        else:
            super().full_clean()

    def is_valid(self) -> bool:
        """Return whether the form may be saved."""
        return not self.is_preview and super().is_valid()

    def preview(self) -> Preview:
        """Return the preview of the values in the form.

        If the form was sent for a preview without a threshold, the suggested one is filled in.
        """
        if "prompts" not in self.fields:
            return Preview()  # the user may not change labels
        label = Label(prompts=self["prompts"].value() or "", scale=self.instance.scale)
        threshold = _parse_decimal(self["threshold"].value())
        found = build_preview(label, threshold)
        if self.is_preview and threshold is None and found.threshold is not None:
            data = cast("QueryDict", self.data).copy()
            data["threshold"] = str(found.threshold)
            self.data = data
        return found

    def clean_prompts(self) -> str:
        """Check that there are some prompts, not too many, and none too long."""
        lines = [line.strip() for line in self.cleaned_data["prompts"].splitlines()]
        lines = [line for line in lines if line]
        if not lines:
            raise ValidationError(_("Describe the scenes, one prompt per line."))
        if len(lines) > scoring.MAX_PROMPTS:
            raise ValidationError(
                _("Enter at most %(most)d prompts.") % {"most": scoring.MAX_PROMPTS}
            )
        if any(len(line) > settings.MAX_QUERY_CHARACTERS for line in lines):
            raise ValidationError(
                _("A prompt can be at most %(most)d characters long.")
                % {"most": settings.MAX_QUERY_CHARACTERS}
            )
        return "\n".join(lines)

    def clean(self) -> dict[str, Any]:
        """Fill in the suggested threshold, and store the levels behind the preview."""
        data = super().clean() or self.cleaned_data
        if "prompts" not in data:
            return data
        label = Label(prompts=data["prompts"], scale=self.instance.scale)
        found = build_preview(label, data.get("threshold"))
        if data.get("threshold") is None and "threshold" not in self.errors:
            if found.threshold is None:
                self.add_error("threshold", found.error or _("Enter a threshold."))
            data["threshold"] = found.threshold
        if found.survey is not None and scoring.levels_of(label) is None:
            self.instance.scale = scoring.to_scale(found.survey.levels, self.instance.scale)
        return data


@admin.register(Label)
class LabelAdmin(admin.ModelAdmin):
    """Labels, with live progress of their computation."""

    form = LabelForm
    list_display = ("name", "described_by", "threshold_shown", "carried_by")
    search_fields = ("name", "prompts")
    change_form_template = "admin/gallery/label/change_form.html"

    class Media:
        css = {"all": ("gallery/labels/label.css",)}
        js = ("django_htmx/htmx-2.min.js",)

    def get_urls(self) -> list[URLPattern]:
        """Add the preview of a label being edited, and the progress of one label."""
        return [
            path("look/", self.admin_site.admin_view(self.preview_view), name="gallery_label_look"),
            path(
                "<int:label_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name="gallery_label_progress",
            ),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Label]:
        """Annotate labels with the numbers of shots and films that carry them."""
        here = Q(
            counts__film__searchable_run__isnull=False,
            counts__model=weights.current().fingerprint,
        )
        found: QuerySet[Label] = super().get_queryset(request)
        return found.annotate(
            shots=Coalesce(Sum("counts__shots", filter=here), 0),
            films=Count("counts", filter=here),
        )

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("prompts"))
    def described_by(self, label: Label) -> str:
        """Its prompts."""
        return " · ".join(scoring.parse_prompts(label.prompts))

    @admin.display(description=gettext_lazy("threshold"), ordering="threshold")
    def threshold_shown(self, label: Label) -> str:
        """Its threshold."""
        return f"{label.threshold:+.2f}"

    @admin.display(description=gettext_lazy("shots"))
    def carried_by(self, label: Label) -> SafeString:
        """How many shots carry it, or a progress bar while that is being computed."""
        return SafeString(render_to_string("admin/gallery/label/_progress.html", _progress(label)))

    # --- views --------------------------------------------------------------------------------

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Leave the threshold of a new label empty: the preview shows the suggested one."""
        return {"threshold": None, **super().get_changeform_initial_data(request)}

    def progress_view(self, request: HttpRequest, label_id: int) -> HttpResponse:
        """Show the progress of one label."""
        label = self.get_queryset(request).filter(pk=label_id).first()
        if label is None or not self.has_view_permission(request, label):
            return HttpResponse()
        return render(request, "admin/gallery/label/_progress.html", _progress(label))

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Show the preview for the values in the form."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        label = self.get_queryset(request).filter(pk=_parse_id(request.POST.get("label"))).first()
        given = Label(prompts=request.POST.get("prompts", ""), scale=label.scale if label else {})
        found = build_preview(given, _parse_decimal(request.POST.get("threshold")))
        return render(request, "admin/gallery/label/_answer.html", {"panel": found})

    def render_change_form(  # noqa: PLR0917 - Django's signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Label | None = None,
    ) -> HttpResponse:
        """Add the preview of the values in the form."""
        context["panel"] = context["adminform"].form.preview()
        context["other_model"] = bool(
            obj and obj.model and obj.model != weights.current().fingerprint
        )
        return super().render_change_form(request, context, add, change, form_url, obj)

    # --- saving -------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Label, form: Any, change: bool) -> None:
        """Record the model that the threshold was chosen with."""
        obj.model = weights.current().fingerprint
        super().save_model(request, obj, form, change)


def _progress(label: Label) -> dict[str, Any]:
    """Return the context of a label's progress bar."""
    return {
        "label": label,
        "progress": None if label.applied else jobs.progress(),
        "other_model": bool(label.model and label.model != weights.current().fingerprint),
    }


def _parse_decimal(text: Any) -> float | None:
    """Parse a number; return None if it is not one or absurdly large."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if abs(value) < 1000 else None


def _parse_id(text: Any) -> int:
    return int(text) if str(text).isdecimal() and len(str(text)) < 18 else 0
