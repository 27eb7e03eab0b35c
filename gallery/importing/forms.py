"""Forms of films in the admin."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.films.models import Film
from gallery.speech import model as speech_model
from gallery.transcripts import languages
from gallery.transcripts.forms import CorrectedSource, MultipleFileInput, SubtitleFiles

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


class FilmFiles(forms.FileField):
    """One or several film files, as a list; None is among them only if nothing was chosen."""

    widget = MultipleFileInput(attrs={"accept": FILM_TYPES, "hx-preserve": True})

    def clean(self, data: Any, initial: Any = None) -> Any:  # noqa: ARG002 - Django's signature
        """Return the files as a list."""
        return data if isinstance(data, list | tuple) else [data] if data else []


class AddFilmForm(FilmForm):
    """The upload of films. `refused` has a sentence on each file that is left out."""

    file = FilmFiles(label=gettext_lazy("Film files"), required=False, allow_empty_file=True)
    subtitles = SubtitleFiles(keeps_unreadable=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refused: list[str] = []
        for name in ("title", "year"):
            if name in self.fields:
                self.fields[name].help_text = _(
                    "Leave empty to use the file name. For several films, it is always used."
                )

    def clean_file(self) -> Any:
        """Return the files that can be added. Refuse the form if there are none."""
        given, accepted = self.cleaned_data["file"], {}
        if not given:
            raise ValidationError(_("Choose a film file."))
        for file in given:
            if reason := self._refuse(file) or (
                file.sha256 in accepted and _("You chose it twice.")
            ):
                self.refused.append(f"{file.name}: {reason}" if len(given) > 1 else reason)
            else:
                accepted[file.sha256] = file
        if not accepted:
            raise ValidationError(self.refused)
        return list(accepted.values())

    def _refuse(self, file: Any) -> str:
        """Return why a file cannot be added, or ""."""
        if file.size == 0:
            return _("The file is empty.")
        known = Film.objects.filter(sha256=file.sha256).first()
        # If the source file of that film is missing, the upload replaces it.
        if known is not None and known.has_source:
            return _("This file has already been uploaded: %(film)s.") % {"film": known}
        return ""


class ChangeFilmForm(FilmForm):
    """Title, year and more subtitles of a film, and what a machine reads and hears in it."""

    corrects = CorrectedSource()

    class Meta:
        model = Film
        fields = ("title", "year", "reads_text", "hears_speech", "spoken_language")
        widgets = {"spoken_language": forms.Select}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "subtitles" in self.fields:
            self.fields["subtitles"].label = _("Add subtitles")
        self.fields["corrects"].offer(self.instance)  # type: ignore[attr-defined]
        if "reads_text" in self.fields:
            self.fields["reads_text"].help_text = (
                _(
                    "Makes subtitles in the picture, signs and titles searchable. If you switch it "
                    "off, what was read is removed."
                )
                if settings.READ_TEXT
                else _("Reading is off for all films (READ_TEXT).")
            )

        if "hears_speech" in self.fields:
            self.fields["hears_speech"].help_text = (
                _(
                    "Transcribes speech, unless there are subtitles in the language of the film. "
                    "If you switch it off, what was recognised is removed."
                )
                if speech_model.is_ready()
                else _("Speech recognition is off for all films (SPEECH_MODEL).")
            )
            self.fields["spoken_language"].help_text = _(
                "Set it if it is not detected correctly. After a change, the speech is recognised "
                "again."
            )
            detected = [("", _("Detect")), *languages.choices()[1:]]
            self.fields["spoken_language"].widget.choices = detected

    def clean_spoken_language(self) -> str:
        """Return the tag of a language, or ""."""
        given: str = self.cleaned_data["spoken_language"]
        if given and given not in dict(languages.choices()):
            raise ValidationError(_("Choose a language from the list."))
        return given

    def clean(self) -> dict[str, Any] | None:
        """Refuse several files as one correction, and a correction without a file."""
        cleaned = super().clean()
        if self.cleaned_data.get("corrects") and len(self.cleaned_data.get("subtitles", ())) != 1:
            self.add_error("subtitles", _("Choose one file: the one with the corrected lines."))
        return cleaned
