"""What users and admins type in, checked."""

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.errors import QueryError
from gallery.finding.composing import MOST_EXAMPLES
from gallery.models import LAST_YEAR, Film
from gallery.nearest import pictures
from gallery.subtitle_forms import SubtitleFiles
from gallery.types import Example, FrameKey, Mode, Order, Query

MOST_PAGES = 200
# What a browser offers to choose; the import decides what can be read.
FILM_TYPES = "video/*,.mkv,.mxf,.ts,.m2ts,.vob,.flv,.ogv,.dv,.gif,.y4m,.h264,.hevc"


class Several(forms.Field):
    """A parameter that may come more than once; each value is matched against `pattern`."""

    widget = forms.MultipleHiddenInput

    def __init__(self, pattern: str, read: Callable[[re.Match[str]], Any], most: int) -> None:
        super().__init__(required=False)
        self.pattern = re.compile(pattern)
        self.read = read
        self.most = most

    def to_python(self, value: Any) -> tuple[Any, ...]:
        """Every value read, each once, in their order; empty ones are left out."""
        given = [one for one in value or () if one]
        found = [self.pattern.fullmatch(one) for one in given]
        if len(given) > self.most or None in found:
            raise ValidationError("malformed", code="invalid")
        return tuple(dict.fromkeys(self.read(match) for match in found if match))


FRAME = r"([0-9]{1,9})-([0-9]{1,9})"
TOKEN = r"([0-9a-f]{32})"
WEIGHT = r"(?:\*([0-9]{1,2}(?:\.[0-9]{1,3})?))?"
MOST_CHOSEN = 200  # films or labels in one query


def _frame(match: re.Match[str]) -> FrameKey:
    return int(match[1]), int(match[2])


class SearchForm(forms.Form):
    """The address of a search: see `gallery.finding.address`."""

    q = forms.CharField(required=False, strip=True)
    w = forms.FloatField(required=False, min_value=0, max_value=99)
    frame = Several(
        FRAME + WEIGHT,
        lambda m: Example(frame=_frame(m), weight=float(m[3] or 1)),
        MOST_EXAMPLES,
    )
    picture = Several(
        TOKEN + WEIGHT, lambda m: Example(picture=m[1], weight=float(m[2] or 1)), MOST_EXAMPLES
    )
    more = Several(FRAME, _frame, MOST_EXAMPLES)
    less = Several(FRAME, _frame, MOST_EXAMPLES)
    sort = forms.ChoiceField(required=False, choices=[(order, order) for order in Order])
    film = Several(r"([0-9]{1,18})", lambda m: int(m[1]), MOST_CHOSEN)
    label = Several(r"([0-9]{1,18})", lambda m: int(m[1]), MOST_CHOSEN)
    to = forms.IntegerField(required=False, min_value=1, max_value=LAST_YEAR)
    page = forms.IntegerField(required=False, min_value=1, max_value=MOST_PAGES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Names of parameters that are Python's own words."""
        super().__init__(*args, **kwargs)
        self.fields["not"] = forms.CharField(required=False, strip=True)
        self.fields["in"] = forms.ChoiceField(required=False, choices=[(m, m) for m in Mode])
        self.fields["from"] = forms.IntegerField(required=False, min_value=1, max_value=LAST_YEAR)

    def query(self) -> Query:
        """The search that is meant. Raises QueryError when the address makes no sense."""
        if not self.is_valid():
            raise QueryError(_("This is not a valid search address."))
        given = self.cleaned_data
        return Query(
            words=given["q"],
            words_weight=1.0 if given["w"] is None else given["w"],
            avoid=given["not"],
            examples=given["frame"] + given["picture"],
            more=given["more"],
            less=given["less"],
            mode=Mode(given["in"] or Mode.BOTH),
            order=Order(given["sort"] or Order.RELEVANCE),
            films=given["film"],
            years=(given["from"], given["to"]),
            labels=given["label"],
            page=given["page"] or 1,
        )


class PictureForm(forms.Form):
    """A picture to search with."""

    picture = forms.FileField(
        required=True,
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a picture first.")},
    )

    def clean_picture(self) -> Any:
        """Decode it."""
        file = self.cleaned_data["picture"]
        if file.size == 0:
            raise ValidationError(_("The picture is empty (0 bytes)."))
        if file.size > settings.MAX_PICTURE_BYTES:
            raise ValidationError(
                _("The picture is too large. The limit is %(most)d MB.")
                % {"most": settings.MAX_PICTURE_BYTES // 1_000_000}
            )
        try:
            return pictures.open_picture(file)
        except QueryError as error:
            raise ValidationError(str(error)) from error


class UploadForm(forms.ModelForm):
    """A film to be imported, in the admin."""

    file = forms.FileField(
        label=gettext_lazy("Film file"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": FILM_TYPES}),
    )
    subtitles = SubtitleFiles()

    class Meta:
        model = Film
        fields = ("title", "year")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look has no fields.
        if "title" in self.fields:
            self.fields["title"].required = False
            self.fields["title"].help_text = _("Leave empty to use the file name.")
        if "subtitles" in self.fields and self.instance.pk:
            self.fields["subtitles"].label = _("Add subtitles")

    def clean_file(self) -> Any:
        """There is one, it is not empty, and it is no film that is here already."""
        file = self.cleaned_data["file"]
        if file is None:
            raise ValidationError(_("Choose a film file."))
        if file.size == 0:
            raise ValidationError(_("The file is empty."))
        known = Film.objects.filter(sha256=file.sha256).first()
        # It takes the place of a file that is gone.
        if known is not None and known.has_source:
            raise ValidationError(
                _("This file has already been uploaded: %(film)s.") % {"film": known}
            )
        return file
