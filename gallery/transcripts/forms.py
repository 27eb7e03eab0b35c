"""Forms for uploading subtitle files and for choosing their language."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.core.errors import SubtitlesError
from gallery.films.models import Film
from gallery.transcripts import corrections, dialogue, languages, reading_requests, subtitles
from gallery.transcripts.models import Subtitles
from gallery.transcripts.subtitle_formats import UnknownFrameRate

MAX_FILES = 50  # in one upload


@dataclass(frozen=True, slots=True)
class SubtitleUpload:
    """A subtitle file; `error` says why it cannot be read, "" if it can."""

    name: str
    data: bytes = b""
    error: str = ""


class MultipleFileInput(forms.FileInput):
    """A field for several files."""

    allow_multiple_selected = True


class SubtitleFiles(forms.FileField):
    """Any number of subtitle files; errors name the file.

    If it `keeps_unreadable` ones, these are returned with their error and do not fail the form.
    """

    # No `accept` attribute: phones hide files of types they do not know, such as .srt.
    widget = MultipleFileInput(attrs={"hx-preserve": True})

    def __init__(self, *, keeps_unreadable: bool = False, **kwargs: Any) -> None:
        self.keeps_unreadable = keeps_unreadable
        kwargs.setdefault("label", gettext_lazy("Subtitles"))
        kwargs.setdefault(
            "help_text",
            gettext_lazy(
                "SubRip (.srt), WebVTT (.vtt), SubStation Alpha (.ass, .ssa), TTML (.ttml, "
                ".dfxp), SAMI (.smi), LRC (.lrc), MicroDVD (.sub) or MPL2 (.mpl). You can "
                "choose several files. The language is taken from the file name (film.en.srt) "
                "or detected from the text. Embedded text tracks are imported automatically."
            ),
        )
        super().__init__(required=False, allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> Any:  # noqa: ARG002 - Django's signature
        """Return the files as a list of SubtitleUpload."""
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if len(given) > MAX_FILES:
            raise ValidationError(_("Choose at most %(most)d files at once.") % {"most": MAX_FILES})
        uploads = [_read(file) for file in given]
        errors = [f"{upload.name}: {upload.error}" for upload in uploads if upload.error]
        if errors and not self.keeps_unreadable:
            raise ValidationError(errors)
        return uploads


def _read(file: UploadedFile) -> SubtitleUpload:
    name = file.name or ""
    try:
        data = subtitles.read_file(file)
        # The frame rate is only needed when they are added; the film may not have been probed yet.
        with suppress(UnknownFrameRate):
            subtitles.read(data)
    except SubtitlesError as error:
        return SubtitleUpload(name, error=str(error))
    return SubtitleUpload(name, data)


class CorrectedSource(forms.ModelChoiceField):
    """What a subtitle file corrects, of what a machine read or heard in a film; None: nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            Subtitles.objects.none(),
            required=False,
            label=gettext_lazy("Replaces"),
            empty_label=gettext_lazy("Nothing (new subtitles)"),
            help_text=gettext_lazy(
                "To correct what was read or recognised, download its lines below, correct them in "
                "a subtitle editor, add the file above, and choose here what it replaces."
            ),
            **kwargs,
        )
        self._labels: dict[int, str] = {}

    def offer(self, film: Film) -> None:
        """Offer what a machine read or heard in a film."""
        rows = corrections.list_correctable(film)
        self._labels = {row.pk: label for row, label in dialogue.label_subtitles(rows)}
        self.queryset = rows

    def label_from_instance(self, obj: Subtitles) -> str:
        """Return the language and the source."""
        return self._labels[obj.pk]


class SubtitlesForm(forms.ModelForm):
    """The language of stored subtitles, and whether they are hidden."""

    language = forms.ChoiceField(label=gettext_lazy("language"))

    class Meta:
        model = Subtitles
        fields = ("language", "is_hidden")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = languages.choices()
        current = self.instance.language
        if current and current not in dict(choices):
            choices = [(current, languages.name(current)), *choices]
        self.fields["language"].choices = choices  # type: ignore[attr-defined]
        # A screen reader does not read the column heading in the field.
        self.fields["language"].widget.attrs["aria-label"] = _("Language of %(name)s") % {
            "name": self.instance
        }
        self.fields["is_hidden"].widget.attrs["aria-label"] = _("Hide %(name)s") % {
            "name": self.instance
        }


class SubtitlesFormSet(forms.BaseInlineFormSet):
    """The subtitles of a film."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """Label each delete box for screen readers."""
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            form.fields["DELETE"].widget.attrs["aria-label"] = _("Delete %(name)s") % {
                "name": form.instance
            }

    def clean(self) -> None:
        """Say so if a row has been replaced since the page was loaded: its error is hidden."""
        super().clean()
        if any("id" in form.errors for form in self.initial_forms):
            raise ValidationError(
                _("These subtitles have changed in the meantime. Reload the page, then try again.")
            )

    def delete_existing(self, obj: Subtitles, commit: bool = True) -> None:
        """Delete subtitles, so that what was read in pictures does not come back unasked."""
        if commit:
            reading_requests.delete_source(obj)
