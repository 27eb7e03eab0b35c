"""What users and admins type in, checked."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery import pictures
from gallery.errors import GalleryError, QueryError
from gallery.models import Film
from gallery.types import Query

MOST_PAGES = 200
# What a browser offers to choose; the import decides what can be read.
FILM_TYPES = "video/*,.mkv,.mxf,.ts,.m2ts,.flv,.ogv"


class SearchForm(forms.Form):
    """The address of a search: words, a picture's token or a frame, a film, a page."""

    q = forms.CharField(required=False, strip=True)
    picture = forms.RegexField(r"\A[0-9a-f]{32}\Z", required=False)
    frame = forms.RegexField(r"\A[0-9]{1,9}-[0-9]{1,9}\Z", required=False)
    film = forms.IntegerField(required=False, min_value=1, max_value=2**62)
    page = forms.IntegerField(required=False, min_value=1, max_value=MOST_PAGES)

    def query(self) -> Query:
        """The search that is meant. Raises QueryError when the address makes no sense."""
        if not self.is_valid():
            raise QueryError(_("This address is not one of a search here."))
        given = self.cleaned_data
        film, _dash, second = given["frame"].partition("-")
        return Query(
            words=given["q"],
            picture=given["picture"],
            frame=(int(film), int(second)) if given["frame"] else None,
            film=given["film"],
            page=given["page"] or 1,
        )


class PictureForm(forms.Form):
    """A picture to search with."""

    picture = forms.FileField(
        required=True,
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a picture first.")},
    )
    film = forms.IntegerField(required=False, min_value=1)

    def clean_picture(self) -> Any:
        """Decode it."""
        file = self.cleaned_data["picture"]
        if file.size == 0:
            raise ValidationError(_("The picture is empty (0 bytes)."))
        if file.size > settings.MAX_PICTURE_BYTES:
            raise ValidationError(
                _("The picture is too large: at most %(most)d MB are accepted.")
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

    class Meta:
        model = Film
        fields = ("title", "year")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["title"].required = False
        self.fields["title"].help_text = _("Empty: the name of the file.")
        self.upload_error: GalleryError | None = None

    def clean_file(self) -> Any:
        """There is one, it is not empty, and it is no film that is here already."""
        if self.upload_error is not None:
            raise ValidationError(str(self.upload_error))
        file = self.cleaned_data["file"]
        if file is None:
            raise ValidationError(_("Choose a film file."))
        if file.size == 0:
            raise ValidationError(_("The file is empty."))
        known = Film.objects.filter(sha256=file.sha256).first()
        if known is not None:
            raise ValidationError(
                _("This very file is here already: %(film)s (number %(id)d).")
                % {"film": known, "id": known.pk}
            )
        return file
