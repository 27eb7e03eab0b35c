"""Times, states and addresses as templates show them."""

from fractions import Fraction

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gallery.films.models import Film
from gallery.films.shortcuts import thumbnail_url
from gallery.importing.progress import Progress, progress_of
from gallery.media.timecodes import timecode as of_rate

register = template.Library()


@register.filter
def clock(seconds: float) -> str:
    """A time in a film: 1:02:03, or 2:03 within the first hour."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def timecode(seconds: float, film: Fraction | Film) -> str:
    """The timecode at a time of a film, or of one of so many frames per second."""
    return film.clock.timecode(seconds) if isinstance(film, Film) else of_rate(seconds, film)


@register.filter
def span(seconds: float | None) -> str:
    """How long something takes, in words."""
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
def percent(part: float) -> str:
    """A part of one, as a percentage that a style sheet understands: 12.5%."""
    return f"{part * 100:.1f}%"


@register.filter
def progress(film: Film) -> Progress:
    """How far a film's import is."""
    return progress_of(film)


@register.simple_tag
def thumb(film: Film, second: int) -> str:
    """The address of a frame's small picture."""
    return thumbnail_url(film, second)


@register.filter
def poster(film: Film) -> str:
    """The address of the picture that stands for a film."""
    if not hasattr(film, "poster_second"):
        film = Film.objects.with_posters().get(pk=film.pk)
    return thumbnail_url(film, getattr(film, "poster_second", None) or 0)
