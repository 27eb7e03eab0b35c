"""The upload of a film, checked."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.films.models import Film
from gallery.transcripts.forms import SubtitleFiles

# What a browser offers to choose; the import decides what can be read.
FILM_TYPES = "video/*,.mkv,.mxf,.ts,.m2ts,.vob,.flv,.ogv,.dv,.gif,.y4m,.h264,.hevc"


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
