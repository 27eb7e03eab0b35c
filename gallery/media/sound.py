"""The sound tracks of a film, and which of them is played."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from gallery.media.ffmpeg import run
from gallery.media.types import SoundTrack

LIST_TIMEOUT = 20.0  # seconds of wall clock
# Dispositions of tracks other than the film's own sound.
EXTRA_DISPOSITIONS = {"comment", "visual impaired", "hearing impaired", "karaoke", "clean effects"}

_STREAM = re.compile(r"^ *Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\(([\w-]+)\))?: (\w+): (\w+)(.*)$")
_DISPOSITION = re.compile(r"\(([a-z ]+)\)")
_TITLE = re.compile(r"^ +title +: (.*)$", re.IGNORECASE)
_CODEC = re.compile(r"^ D.A... (\w+) ", re.MULTILINE)


@cache
def _decodable_codecs() -> frozenset[str]:
    """Return the sound codecs that FFmpeg can decode."""
    listed = run(["-hide_banner", "-codecs"], LIST_TIMEOUT).output.decode(errors="replace")
    return frozenset(_CODEC.findall(listed))


def read_tracks(log_text: str) -> tuple[SoundTrack, ...]:
    """Parse the sound tracks of a film from FFmpeg's log of opening the file."""
    tracks: list[SoundTrack] = []
    in_track = False
    for line in log_text.partition("Stream mapping:")[0].partition("Output #0")[0].splitlines():
        if stream := _STREAM.match(line):
            language, kind, codec, details = stream.groups()
            in_track = kind == "Audio"
            if in_track:
                tracks.append(_track(len(tracks), language or "", codec, details))
        elif in_track and (title := _TITLE.match(line)):
            tracks[-1] = replace(tracks[-1], title=title[1].strip())
    return tuple(tracks)


def _track(number: int, language: str, codec: str, details: str) -> SoundTrack:
    dispositions = set(_DISPOSITION.findall(details))
    return SoundTrack(
        number=number,
        codec=codec,
        language="" if language == "und" else language,
        is_default="default" in dispositions,
        is_extra=bool(dispositions & EXTRA_DISPOSITIONS),
        is_decodable=codec in _decodable_codecs(),
    )


def choose_track(tracks: Sequence[SoundTrack], number: int | None = None) -> SoundTrack | None:
    """Return the requested track, or else the default one; None when none can be decoded.

    Where several tracks are marked as default, or none, the film's own sound precedes commentaries.
    """
    playable = [track for track in tracks if track.is_decodable]
    requested = [track for track in playable if track.number == number]
    ranked = sorted(playable, key=lambda track: (not track.is_default, track.is_extra))
    return next(iter(requested or ranked), None)
