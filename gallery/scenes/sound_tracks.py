"""The sound tracks that a viewer can choose from."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from gallery.films.models import Film
from gallery.media import sound
from gallery.media.types import SoundTrack
from gallery.transcripts import languages


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """A sound track that a viewer can choose: its number, its name, and whether it is chosen.

    `language` is a BCP 47 tag, `title` as in the file; `label` is both in words.
    """

    number: int
    language: str
    title: str
    label: str
    is_chosen: bool


def list_choices(film: Film, wanted: int | None) -> list[SoundChoice]:
    """Return the tracks that can be decoded, in the order of the file."""
    chosen = sound.choose_track(film.sound_tracks, wanted)
    playable = [track for track in film.sound_tracks if track.is_decodable]
    return [_choice(track, track == chosen) for track in playable]


def non_default_track(film: Film, wanted: int | None) -> int | None:
    """Return the number of the wanted track; None for the default or a missing one."""
    chosen = sound.choose_track(film.sound_tracks, wanted)
    return chosen.number if chosen and chosen != sound.choose_track(film.sound_tracks) else None


def parse_number(text: str) -> int | None:
    """Parse the number of a track in a URL; None when it is invalid."""
    return int(text) if text.isdecimal() and len(text) < 4 else None


def _choice(track: SoundTrack, is_chosen: bool) -> SoundChoice:
    language = languages.tag(track.language)
    name = languages.name(language) if language != languages.UNKNOWN else ""
    named = " · ".join(part for part in (name, track.title[:60]) if part)
    label = named or _("Track %(n)d") % {"n": track.number + 1}
    return SoundChoice(track.number, language, track.title, label, is_chosen)
