"""Forms that parse and check the address of a search, and an uploaded picture."""

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.core.errors import QueryError
from gallery.films.models import LAST_YEAR
from gallery.index.types import FrameKey
from gallery.search import pictures
from gallery.search.refining import MAX_EXAMPLES
from gallery.search.types import Example, Mode, Order, Query

MAX_PAGES = 200


class ListField(forms.Field):
    """A repeatable parameter; each value must match `pattern`."""

    widget = forms.MultipleHiddenInput

    def __init__(
        self, pattern: str, parse: Callable[[re.Match[str]], Any], max_values: int
    ) -> None:
        super().__init__(required=False)
        self.pattern = re.compile(pattern)
        self.parse = parse
        self.max_values = max_values

    def to_python(self, value: Any) -> tuple[Any, ...]:
        """Return the parsed values in order, without duplicates and empty values."""
        given = [text for text in value or () if text]
        matches = [self.pattern.fullmatch(text) for text in given]
        if len(given) > self.max_values or None in matches:
            raise ValidationError("malformed", code="invalid")
        return tuple(dict.fromkeys(self.parse(match) for match in matches if match))


FRAME = r"([0-9]{1,9})-([0-9]{1,9})"
TOKEN = r"([0-9a-f]{32})"
WEIGHT = r"(?:\*([0-9]{1,2}(?:\.[0-9]{1,3})?))?"
MAX_CHOICES = 200  # films or labels in one query


def _parse_frame(match: re.Match[str]) -> FrameKey:
    return int(match[1]), int(match[2])


class SearchForm(forms.Form):
    """The address of a search: see `gallery.search.address`."""

    q = forms.CharField(required=False, strip=True)
    w = forms.FloatField(required=False, min_value=0, max_value=99)
    frame = ListField(
        FRAME + WEIGHT,
        lambda m: Example(frame=_parse_frame(m), weight=float(m[3] or 1)),
        MAX_EXAMPLES,
    )
    picture = ListField(
        TOKEN + WEIGHT, lambda m: Example(picture=m[1], weight=float(m[2] or 1)), MAX_EXAMPLES
    )
    more = ListField(FRAME, _parse_frame, MAX_EXAMPLES)
    less = ListField(FRAME, _parse_frame, MAX_EXAMPLES)
    sort = forms.ChoiceField(required=False, choices=[(order, order) for order in Order])
    film = ListField(r"([0-9]{1,18})", lambda m: int(m[1]), MAX_CHOICES)
    label = ListField(r"([0-9]{1,18})", lambda m: int(m[1]), MAX_CHOICES)
    to = forms.IntegerField(required=False, min_value=1, max_value=LAST_YEAR)
    page = forms.IntegerField(required=False, min_value=1, max_value=MAX_PAGES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add the parameters whose names are Python keywords."""
        super().__init__(*args, **kwargs)
        self.fields["not"] = forms.CharField(required=False, strip=True)
        self.fields["in"] = forms.ChoiceField(required=False, choices=[(m, m) for m in Mode])
        self.fields["from"] = forms.IntegerField(required=False, min_value=1, max_value=LAST_YEAR)

    def query(self) -> Query:
        """Return the query. Raises QueryError for a malformed address."""
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
    """An uploaded picture to search with."""

    picture = forms.FileField(
        required=True,
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a picture first.")},
    )

    def clean_picture(self) -> Any:
        """Decode the picture."""
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
