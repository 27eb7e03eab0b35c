"""What staff decide about the text in a film's pictures and its speech: to recognize it or not."""

from collections.abc import Collection

from gallery.films.models import Film
from gallery.transcripts import listening, reading
from gallery.transcripts.models import (
    Subtitles,
    SubtitlesQuerySet,
    TextReading,
    Transcription,
)


def switch_reading(film: Film, *, is_on: bool) -> None:
    """Have the text in a film's pictures read, or remove what was read."""
    Film.objects.filter(pk=film.pk).update(reads_text=is_on)
    film.reads_text = is_on
    if is_on:
        read_again(film)
    else:
        reading.forget(film)


def read_again(film: Film) -> None:
    """Have the text in a film's pictures read from the start.

    What was read before can be found until then. Sources that were deleted come back, hidden and
    corrected ones stay as they are.
    """
    _deleted(film, Subtitles.SEEN).delete()
    TextReading.objects.filter(film=film).delete()
    Film.objects.filter(pk=film.pk).update(text_run=None, text_version="")


def switch_listening(film: Film, *, is_on: bool) -> None:
    """Have the speech of a film recognized, or remove what was recognized."""
    Film.objects.filter(pk=film.pk).update(hears_speech=is_on)
    film.hears_speech = is_on
    if is_on:
        hear_again(film)
    else:
        listening.forget(film)


def hear_again(film: Film) -> None:
    """Have the speech of a film recognized from the start, as `read_again` reads it."""
    _deleted(film, [Subtitles.Source.SPEECH]).delete()
    Transcription.objects.filter(film=film).delete()
    Film.objects.filter(pk=film.pk).update(speech_run=None, speech_version="")


def delete_source(row: Subtitles) -> None:
    """Delete subtitles. What a machine recognized stays deleted until somebody asks for it again.

    Its row stays, without lines: if another version finds the source again, it is hidden as the row
    is.
    """
    if row.source not in Subtitles.RECOGNIZED:
        row.delete()
        return
    row.lines.all().delete()
    Subtitles.objects.filter(pk=row.pk).update(line_count=0, is_hidden=True, original_name="")


def _deleted(film: Film, sources: Collection[str]) -> SubtitlesQuerySet:
    return film.subtitles.filter(source__in=sources, line_count=0)
