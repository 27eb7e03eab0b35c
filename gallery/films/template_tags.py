"""Template tags for times, states and URLs of films."""

from fractions import Fraction
from pathlib import Path

from django import template
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.core import stored_text
from gallery.films import thumbnails
from gallery.films.catalogue import ListedFilm
from gallery.films.models import Film
from gallery.films.shortcuts import thumbnail_url
from gallery.importing.progress import Progress, progress_of
from gallery.media import source_names
from gallery.media.timecodes import timecode as timecode_at_rate

register = template.Library()


@register.filter
def clock(seconds: float) -> str:
    """Format a time in a film: 1:02:03, or 2:03 within the first hour."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def timecode(seconds: float, film: Fraction | Film) -> str:
    """Format a time as a timecode, given the film or its frames per second."""
    if isinstance(film, Film):
        return film.clock.timecode(seconds)
    return timecode_at_rate(seconds, film)


@register.filter
def span(seconds: float | None) -> str:
    """Format a duration in words."""
    if seconds is None:
        return ""
    if seconds < 60:
        count = max(1, round(seconds))
        return ngettext("%(n)d second", "%(n)d seconds", count) % {"n": count}
    if seconds < 5400:
        count = round(seconds / 60)
        return ngettext("%(n)d minute", "%(n)d minutes", count) % {"n": count}
    return _("%(hours).1f hours") % {"hours": seconds / 3600}


@register.filter
def readable_name(path: Path) -> str:
    """Return the name of a file in a form that can be shown, whatever its encoding."""
    return source_names.readable_name(str(path))


@register.filter
def percent(part: float) -> str:
    """Format a fraction as a CSS percentage: 12.5%."""
    return f"{part * 100:.1f}%"


@register.filter
def translate_stored(text: str) -> str:
    """Translate sentences that a worker stored."""
    return stored_text.translate_stored(text)


@register.filter
def progress(film: Film) -> Progress:
    """Return the progress of a film's import."""
    return progress_of(film)


@register.simple_tag
def thumb(film: Film, second: int) -> str:
    """Return the URL of a frame's thumbnail."""
    return thumbnail_url(film, second)


@register.simple_tag
def thumb_sizes(film: Film, second: int) -> str:
    """Return the `srcset` of a frame's thumbnail."""
    return thumbnails.thumbnail_srcset(film, second)


@register.simple_tag
def crop(film: Film, second: int, box: float = 16 / 9) -> str:
    """Return a `style` attribute that crops a thumbnail to its subject, to the shape `box`."""
    position = thumbnails.crop_position(film, second, float(box))
    return format_html(' style="object-position: {}"', position) if position else ""


@register.filter
def shape(film: Film | ListedFilm) -> str:
    """Return the declaration of a film's shape for the styles of cards."""
    return f"--shape: {film.thumbnail_shape:.4f}"


@register.filter
def poster_sizes(film: Film) -> str:
    """Return the `srcset` of the thumbnail that represents a film."""
    return thumbnails.thumbnail_srcset(film, _poster_second(film))


@register.filter
def poster(film: Film) -> str:
    """Return the URL of the thumbnail that represents a film."""
    return thumbnail_url(film, _poster_second(film))


def _poster_second(film: Film) -> int:
    if not hasattr(film, "poster_second"):
        film = Film.objects.with_posters().get(pk=film.pk)
    return getattr(film, "poster_second", None) or 0
