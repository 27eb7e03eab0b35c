"""What staff decide about the text in the pictures of a film: to read it, again, or not at all."""

from gallery.films.models import Film
from gallery.transcripts import reading
from gallery.transcripts.models import Subtitles, SubtitlesQuerySet, TextReading


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
    _deleted(film).delete()
    TextReading.objects.filter(film=film).delete()
    Film.objects.filter(pk=film.pk).update(text_run=None, text_version="")


def delete_source(row: Subtitles) -> None:
    """Delete subtitles. What was read by machine stays deleted until somebody asks to read again.

    Its row stays, without lines: if another version of the reader finds the source again, it is
    hidden as the row is.
    """
    if row.source not in Subtitles.RECOGNIZED:
        row.delete()
        return
    row.lines.all().delete()
    Subtitles.objects.filter(pk=row.pk).update(line_count=0, is_hidden=True, original_name="")


def _deleted(film: Film) -> SubtitlesQuerySet:
    return film.subtitles.filter(source__in=Subtitles.RECOGNIZED, line_count=0)
