"""Forms of films in the admin."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.films.models import Film
from gallery.transcripts.forms import SubtitleFiles

# What file dialogs offer; the import decides what can be read.
FILM_TYPES = "video/*,.mkv,.mxf,.ts,.m2ts,.vob,.flv,.ogv,.dv,.gif,.y4m,.h264,.hevc"


class FilmForm(forms.ModelForm):
    """The fields of both adding and changing a film."""

    subtitles = SubtitleFiles()

    class Meta:
        model = Film
        fields = ("title", "year")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Users with view permission only get no fields.
        if "title" in self.fields:
            self.fields["title"].required = False
            self.fields["title"].help_text = _("Leave empty to use the file name.")


class AddFilmForm(FilmForm):
    """The upload of a film."""

    file = forms.FileField(
        label=gettext_lazy("Film file"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": FILM_TYPES, "hx-preserve": True}),
    )

    def clean_file(self) -> Any:
        """Require a file that is not empty and not in the library yet."""
        file = self.cleaned_data["file"]
        if file is None:
            raise ValidationError(_("Choose a film file."))
        if file.size == 0:
            raise ValidationError(_("The file is empty."))
        known = Film.objects.filter(sha256=file.sha256).first()
        # If the source file of that film is missing, the upload replaces it.
        if known is not None and known.has_source:
            raise ValidationError(
                _("This file has already been uploaded: %(film)s.") % {"film": known}
            )
        return file


class ChangeFilmForm(FilmForm):
    """Title, year and more subtitles of a film."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "subtitles" in self.fields:
            self.fields["subtitles"].label = _("Add subtitles")
