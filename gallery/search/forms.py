"""What users and admins type in, checked."""

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
MAX_CHOICES = 200  # films or labels in one query


def _frame(match: re.Match[str]) -> FrameKey:
    return int(match[1]), int(match[2])


class SearchForm(forms.Form):
    """The address of a search: see `gallery.search.address`."""

    q = forms.CharField(required=False, strip=True)
    w = forms.FloatField(required=False, min_value=0, max_value=99)
    frame = ListField(
        FRAME + WEIGHT,
        lambda m: Example(frame=_frame(m), weight=float(m[3] or 1)),
        MAX_EXAMPLES,
    )
    picture = ListField(
        TOKEN + WEIGHT, lambda m: Example(picture=m[1], weight=float(m[2] or 1)), MAX_EXAMPLES
    )
    more = ListField(FRAME, _frame, MAX_EXAMPLES)
    less = ListField(FRAME, _frame, MAX_EXAMPLES)
    sort = forms.ChoiceField(required=False, choices=[(order, order) for order in Order])
    film = ListField(r"([0-9]{1,18})", lambda m: int(m[1]), MAX_CHOICES)
    label = ListField(r"([0-9]{1,18})", lambda m: int(m[1]), MAX_CHOICES)
    to = forms.IntegerField(required=False, min_value=1, max_value=LAST_YEAR)
    page = forms.IntegerField(required=False, min_value=1, max_value=MAX_PAGES)

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
