"""The sound tracks that a viewer can choose from."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from gallery.films.models import Film
from gallery.media import sound
from gallery.media.types import SoundTrack
from gallery.transcripts import languages


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """A sound track as it is offered: its number, its name, and whether it is chosen.

    `language` is a BCP 47 tag, `title` as in the file; `label` is both in words.
    """

    number: int
    language: str
    title: str
    label: str
    is_chosen: bool


def choices(film: Film, asked: int | None) -> list[SoundChoice]:
    """The tracks that can be decoded, in the order of the file; `asked` is the number wanted."""
    chosen = sound.choose_track(film.sound_tracks, asked)
    playable = [track for track in film.sound_tracks if track.is_decodable]
    return [_choice(track, track == chosen) for track in playable]


def unusual(film: Film, asked: int | None) -> int | None:
    """The number of the track to play; None for the default one, or when there is no such track."""
    chosen = sound.choose_track(film.sound_tracks, asked)
    return chosen.number if chosen and chosen != sound.choose_track(film.sound_tracks) else None


def number_in(text: str) -> int | None:
    """The number of a track in an address, or None."""
    return int(text) if text.isdecimal() and len(text) < 4 else None


def _choice(track: SoundTrack, is_chosen: bool) -> SoundChoice:
    language = languages.tag(track.language)
    name = languages.name(language) if language != languages.UNKNOWN else ""
    named = " · ".join(part for part in (name, track.title[:60]) if part)
    label = named or _("Track %(n)d") % {"n": track.number + 1}
    return SoundChoice(track.number, language, track.title, label, is_chosen)
