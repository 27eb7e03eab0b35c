"""Forms of storyboards: a new one, and changes to a row."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from gallery.boards.models import Board
from gallery.core.errors import BoardError, QueryError
from gallery.films.models import Film
from gallery.search import pictures
from gallery.storyboards import scripts
from gallery.storyboards.models import Storyboard

MAX_PICTURES = 60  # in one upload


class SeveralFiles(forms.ClearableFileInput):
    """A file input for several files."""

    allow_multiple_selected = True


class PicturesField(forms.FileField):
    """Several pictures, as their tokens."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list[str]:
        """Decode and store the pictures, in the order of their names."""
        files = [super(PicturesField, self).clean(one, initial) for one in data or ()]
        if len(files) > MAX_PICTURES:
            raise ValidationError(_("Choose at most %(most)d pictures.") % {"most": MAX_PICTURES})
        return [_store_picture(file) for file in sorted(files, key=lambda file: file.name)]


def _store_picture(file: Any) -> str:
    if file.size > settings.MAX_PICTURE_BYTES:
        raise ValidationError(
            _("%(name)s is too large. The limit is %(most)d MB.")
            % {"name": file.name, "most": settings.MAX_PICTURE_BYTES // 1_000_000}
        )
    try:
        return pictures.store_picture(pictures.open_picture(file))
    except QueryError as error:
        raise ValidationError(f"{file.name}: {error}") from error


class StoryboardForm(forms.Form):
    """A new storyboard: a script, pictures, or both."""

    script = forms.CharField(required=False, max_length=100_000, strip=False)
    pictures = PicturesField(required=False)
    name = forms.CharField(required=False, max_length=Board._meta.get_field("name").max_length)
    film = forms.ModelMultipleChoiceField(
        Film.objects.filter(searchable_run__isnull=False), required=False
    )
    repeats = forms.BooleanField(required=False)

    def clean_script(self) -> list[Any]:
        """Parse the script; without any text there are no lines."""
        text = self.cleaned_data["script"]
        if not text.strip():
            return []
        try:
            return scripts.parse_script(text)
        except BoardError as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Require a script or pictures."""
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and not given["script"] and not given["pictures"]:
            self.add_error("script", _("Paste a script or choose pictures first."))
        return given


class StoryboardNameForm(forms.ModelForm):
    """A storyboard's name."""

    class Meta:
        model = Storyboard
        fields = ["name"]


class RowForm(forms.Form):
    """A change to a row: its text and length ("" for the default), or a choice of its scene."""

    text = forms.CharField(required=False, max_length=2000)
    seconds = forms.FloatField(required=False, min_value=0.1, max_value=600)
    choose = forms.CharField(required=False, max_length=60)
    step = forms.IntegerField(required=False, min_value=-1, max_value=1)
