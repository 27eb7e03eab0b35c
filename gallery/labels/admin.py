"""Labels in Django's admin: named, described, and given a threshold by looking at examples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
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
from gallery.labels.survey import Bar, Carried, Scored, Survey

EXAMPLES = 12  # shown on either side of the threshold
BEST = 6  # shown of the best, when they are not among those
WIDTH, HEIGHT = 600, 90  # of the histogram, in its own units


@dataclass(frozen=True, slots=True)
class Shown:
    """A shot to look at; clicking it makes `threshold` the threshold."""

    film: Film
    second: int
    score: float
    threshold: float
    thumbnail: str


@dataclass(frozen=True, slots=True)
class Column:
    """A bar of the histogram as it is drawn, in units of its picture."""

    x: float
    y: float
    width: float
    height: float
    carries: bool


@dataclass(frozen=True)
class Panel:
    """What is seen of a label that is being chosen: examples around its threshold, and counts."""

    threshold: float | None = None
    suggestion: float | None = None
    survey: Survey | None = None
    carried: Carried | None = None
    best: Sequence[Shown] = ()
    above: Sequence[Shown] = ()
    below: Sequence[Shown] = ()
    bars: Sequence[Bar] = field(default_factory=list)
    error: str = ""

    @property
    def columns(self) -> list[Column]:
        """The histogram, as it is drawn."""
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
        """Where in the histogram the threshold is drawn."""
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


def panel(label: Label, threshold: float | None) -> Panel:
    """Look through the library for a label's prompts; no threshold: the one that is suggested."""
    prompts = scoring.prompts_of(label.prompts)[: scoring.MAX_PROMPTS]
    if not prompts:
        return Panel()
    try:
        survey = label_survey.survey(prompts, scoring.levels_of(label))
    except GalleryError as error:
        return Panel(error=str(error))
    if survey is None or not survey.shots:
        return Panel(error=_("Import a film before choosing a threshold."))
    suggestion = survey.suggestion()
    chosen = round(suggestion, 3) if threshold is None else threshold
    above, below = survey.around(chosen, EXAMPLES)
    rank = survey.rank(chosen)
    best = survey.shots[: min(BEST, rank - len(above))]
    films = Film.objects.in_bulk({one.record.film for one in (*best, *above, *below)})

    def shown(some: Sequence[Scored], first: int, kept: bool) -> list[Shown]:
        """Clicking one that carries the label leaves it out, any other takes it in."""
        return [
            Shown(
                films[one.record.film],
                one.record.second,
                one.score,
                round(survey.cut(at if kept else at + 1), 3),
                thumbnail_url(films[one.record.film], one.record.second),
            )
            for at, one in enumerate(some, start=first)
            if one.record.film in films
        ]

    return Panel(
        threshold=chosen,
        suggestion=round(suggestion, 3),
        survey=survey,
        carried=survey.carried(chosen),
        best=shown(best, 0, kept=True),
        above=shown(above, rank - len(above), kept=True),
        below=shown(below, rank, kept=False),
        bars=survey.bars(),
    )


class LabelForm(forms.ModelForm):
    """A label; without a threshold it gets the one that is suggested."""

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

    def clean_prompts(self) -> str:
        """There is one, there are not too many, and none is too long."""
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
        """Fill in the suggestion, and keep the scale that it was shown with."""
        data = super().clean() or self.cleaned_data
        if "prompts" not in data:
            return data
        label = Label(prompts=data["prompts"], scale=self.instance.scale)
        looked = panel(label, data.get("threshold"))
        if data.get("threshold") is None and "threshold" not in self.errors:
            if looked.threshold is None:
                self.add_error("threshold", looked.error or _("Enter a threshold."))
            data["threshold"] = looked.threshold
        if looked.survey is not None and scoring.levels_of(label) is None:
            self.instance.scale = scoring.scale(looked.survey.levels)
        return data


@admin.register(Label)
class LabelAdmin(admin.ModelAdmin):
    """Labels, with the live progress of computing them."""

    form = LabelForm
    list_display = ("name", "described_by", "threshold_shown", "carried_by")
    search_fields = ("name", "prompts")
    change_form_template = "admin/gallery/label/change_form.html"

    class Media:
        css = {"all": ("gallery/label.css",)}
        js = ("django_htmx/htmx-2.min.js",)

    def get_urls(self) -> list[URLPattern]:
        """Also: the examples of a label that is being chosen, and how far one is computed."""
        return [
            path("look/", self.admin_site.admin_view(self.look_view), name="gallery_label_look"),
            path(
                "<int:label_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name="gallery_label_progress",
            ),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Label]:
        """With how many shots and films carry each."""
        here = Q(
            counts__film__searchable_run__isnull=False,
            counts__film__model=weights.current().fingerprint,
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
        return " · ".join(scoring.prompts_of(label.prompts))

    @admin.display(description=gettext_lazy("threshold"), ordering="threshold")
    def threshold_shown(self, label: Label) -> str:
        """Its threshold."""
        return f"{label.threshold:+.2f}"

    @admin.display(description=gettext_lazy("shots"))
    def carried_by(self, label: Label) -> SafeString:
        """How many shots carry it; until that is computed, a bar that asks for itself anew."""
        return SafeString(render_to_string("admin/gallery/label/_progress.html", _progress(label)))

    # --- views --------------------------------------------------------------------------------

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new label has no threshold yet: the suggested one is shown."""
        return {"threshold": None, **super().get_changeform_initial_data(request)}

    def progress_view(self, request: HttpRequest, label_id: int) -> HttpResponse:
        """How far one label is."""
        label = self.get_queryset(request).filter(pk=label_id).first()
        if label is None or not self.has_view_permission(request, label):
            return HttpResponse()
        return render(request, "admin/gallery/label/_progress.html", _progress(label))

    def look_view(self, request: HttpRequest) -> HttpResponse:
        """The examples around a threshold, for the prompts of a form that is being filled in."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        label = self.get_queryset(request).filter(pk=_number(request.POST.get("label"))).first()
        given = Label(prompts=request.POST.get("prompts", ""), scale=label.scale if label else {})
        found = panel(given, _decimal(request.POST.get("threshold")))
        return render(request, "admin/gallery/label/_answer.html", {"panel": found})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Without JavaScript, looking is a button beside the one that saves."""
        if request.method == "POST" and ("_look" in request.POST or "_take" in request.POST):
            return self._look_again(request, object_id, form_url)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _look_again(
        self, request: HttpRequest, object_id: str | None, form_url: str
    ) -> HttpResponse:
        """The form as it was filled in, unsaved, with the examples for it."""
        label = self.get_object(request, object_id) if object_id else None
        if label is None and not self.has_add_permission(request):
            raise PermissionDenied
        if label is not None and not self.has_change_permission(request, label):
            raise PermissionDenied
        prompts = request.POST.get("prompts", "")
        threshold = _decimal(request.POST.get("_take") or request.POST.get("threshold"))
        looked = panel(Label(prompts=prompts, scale=label.scale if label else {}), threshold)
        form = self.get_form(request, label, change=label is not None)(
            initial={
                "name": request.POST.get("name", ""),
                "prompts": prompts,
                "threshold": looked.threshold if threshold is None else threshold,
            },
            instance=label,
        )
        fields: Any = list(self.get_fieldsets(request, label))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Change label") if label else _("Add label"),
            "subtitle": str(label) if label else None,
            "adminform": helpers.AdminForm(form, fields, {}, (), model_admin=self),
            "object_id": object_id,
            "original": label,
            "is_popup": False,
            "to_field": None,
            "media": self.media + form.media,
            "inline_admin_formsets": [],
            "errors": [],
            "preserved_filters": self.get_preserved_filters(request),
            "panel": looked,
        }
        return self.render_change_form(
            request, context, label is None, label is not None, form_url, label
        )

    def render_change_form(  # noqa: PLR0917 - as Django has it
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Label | None = None,
    ) -> HttpResponse:
        """With the examples of what the form says."""
        if "panel" not in context:
            form = context["adminform"].form
            said = Label(
                prompts=form["prompts"].value() or "" if "prompts" in form.fields else "",
                scale=obj.scale if obj else {},
            )
            value = form["threshold"].value() if "threshold" in form.fields else None
            context["panel"] = panel(said, _decimal(value))
        context["other_model"] = bool(
            obj and obj.model and obj.model != weights.current().fingerprint
        )
        return super().render_change_form(request, context, add, change, form_url, obj)

    # --- saving -------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Label, form: Any, change: bool) -> None:
        """Note with which model it was looked at."""
        obj.model = weights.current().fingerprint
        super().save_model(request, obj, form, change)


def _progress(label: Label) -> dict[str, Any]:
    """What the bar of a label shows."""
    return {
        "label": label,
        "progress": None if label.applied else jobs.progress(),
        "other_model": bool(label.model and label.model != weights.current().fingerprint),
    }


def _decimal(text: Any) -> float | None:
    """A number that was typed in, or None."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if abs(value) < 1000 else None


def _number(text: Any) -> int:
    return int(text) if str(text).isdecimal() and len(str(text)) < 18 else 0
