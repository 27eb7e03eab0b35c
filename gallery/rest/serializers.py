"""Serialize films, frames, shots and scenes for the API, with absolute URLs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse

from gallery.core import access
from gallery.core.errors import FilmAway
from gallery.films.models import Film, FilmQuerySet, Shot
from gallery.films.shortcuts import thumbnail_url
from gallery.scenes import clips, sound_tracks
from gallery.search.types import Hit
from gallery.transcripts.models import Line, Subtitles
from gallery.transcripts.types import FoundLine, LineKind

Serialized = dict[str, Any]


def api_path(name: str, *arguments: object) -> str:
    """Return the path of an API resource."""
    return reverse(f"api:{name}", args=arguments)


@dataclass(frozen=True)
class Serializer:
    """Serializes rows for a request: with URLs of its host, and for what its user may do."""

    request: HttpRequest

    @cached_property
    def _may_save(self) -> bool:
        return access.may_download(self.request.user)

    @cached_property
    def _may_play(self) -> bool:
        return access.may_play_films(self.request.user)

    def absolute(self, path: str) -> str:
        """Return the absolute URL of a path."""
        return self.request.build_absolute_uri(path)

    def here(self, name: str, *arguments: object) -> str:
        """Return the absolute URL of a page, picture or file."""
        return self.absolute(reverse(name, args=arguments))

    def resource(self, name: str, *arguments: object) -> str:
        """Return the absolute URL of an API resource."""
        return self.absolute(api_path(name, *arguments))

    # --- films ----------------------------------------------------------------------------------

    def film_name(self, film: Film) -> Serialized:
        """Serialize the name of a film."""
        return {
            "id": film.pk,
            "title": film.title,
            "year": film.year,
            "url": self.resource("get_film", film.pk),
        }

    def film(self, film: Film) -> Serialized:
        """Serialize a film of `select_listed_films`."""
        poster = getattr(film, "poster_second", None) or 0
        return {
            **self.film_name(film),
            "page": self.here("film", film.pk),
            "poster": self.absolute(thumbnail_url(film, poster)),
            "duration": film.duration,
            "width": film.width,
            "height": film.height,
            "rate": str(film.rate),
            "shots": film.shot_count,
            "frames": film.frame_count,
            "languages": sorted({one.language for one in film.subtitles.all()}),
            "sounds": [
                {
                    "number": track.number,
                    "language": track.language,
                    "title": track.title,
                    "default": track.is_chosen,
                }
                for track in sound_tracks.list_choices(film, None)
            ],
            "file": self.here("whole_film", film.pk) if self._may_play else None,
            "is_reachable": film.away_since is None,
            "notice": "" if film.away_since is None else str(FilmAway()),
        }

    # --- frames, shots and scenes -------------------------------------------------------------

    def frame_name(self, film: Film, second: int, time: float | None = None) -> Serialized:
        """Serialize the frame of `second` at `time` (seconds; None: from the frame rate)."""
        if time is None:
            time = film.clock.seconds(film.clock.frame_from(second))
        return {
            "second": second,
            "time": time,
            "timecode": film.clock.timecode(time),
            "page": self.here("frame", film.pk, second),
            "url": self.resource("get_frame", film.pk, second),
            "thumbnail": self.absolute(thumbnail_url(film, second)),
            "still": self.here("frame_still", film.pk, film.clock.frame(time), "jpg"),
        }

    def scene(self, film: Film, start: float, end: float) -> Serialized:
        """Serialize a span (seconds); its clips and animations are cut to the allowed length."""
        clock = film.clock
        first = clock.frame_from(start)
        last = max(first + 1, min(clock.frame_from(end), clock.frame_from(film.duration)))
        max_last = first + int(settings.MAX_CLIP_SECONDS * clock.grid)
        animation_last = min(last, first + int(clips.MAX_ANIMATION_SECONDS * clock.grid))

        def download_url(name: str, *arguments: object) -> str | None:
            return self.here(name, film.pk, first, *arguments) if self._may_save else None

        return {
            "start": clock.seconds(first),
            "end": clock.seconds(last),
            "first_frame": first,
            "end_frame": last,
            "timecode_in": clock.timecode_of(first),
            "timecode_out": clock.timecode_of(last),
            "clip": self.here("clip", film.pk, first, min(last, max_last)),
            "exact_clip": download_url("exact_clip", min(last, max_last)),
            "webp": download_url("animation", animation_last, "webp"),
            "gif": download_url("animation", animation_last, "gif"),
        }

    def shot(self, film: Film, shot: Shot) -> Serialized:
        """Serialize a shot and the frame in its middle."""
        return {
            "number": shot.number + 1,
            "scene": self.scene(film, shot.start, shot.end),
            "frame": self.frame_name(film, shot.second),
        }

    def citation(self, film: Film, second: int, time: float) -> str:
        """Return the citation of a frame."""
        url = self.here("frame", film.pk, second)
        return f"{film}, {film.clock.timecode(time)}, {url}"

    # --- hits and lines -------------------------------------------------------------------------

    def hits(self, found: Collection[Hit]) -> list[Serialized]:
        """Serialize hits, looking up their films in one query."""
        films = Film.objects.in_bulk({hit.film for hit in found})
        return [self._hit(hit, films[hit.film]) for hit in found if hit.film in films]

    def _hit(self, hit: Hit, film: Film) -> Serialized:
        return {
            "film": self.film_name(film),
            "shot": {"number": hit.shot + 1},
            "frame": self.frame_name(film, hit.second, hit.time),
            "scene": self.scene(film, hit.start, hit.end),
            "relevance": hit.relevance,
            "matches": hit.matches,
            "score": hit.score,
            "line": self._found_line(film, hit.line) if hit.line else None,
            "more_in_film": hit.more_in_film,
        }

    def _found_line(self, film: Film, line: FoundLine) -> Serialized:
        return {
            **self._line(film, line, line.language, line.kinds),
            "box": line.box._asdict() if line.box else None,
            "parts": [{"text": text, "asked": asked} for text, asked in line.parts],
        }

    def line(self, film: Film, line: Line) -> Serialized:
        """Serialize a line."""
        return {
            **self._line(film, line, line.subtitles.language, line.subtitles.kinds),
            "box": line.middle_box._asdict() if line.middle_box else None,
        }

    def _line(
        self, film: Film, line: Line | FoundLine, language: str, kinds: Iterable[LineKind]
    ) -> Serialized:
        return {
            "start": line.start,
            "end": line.end,
            "timecode": film.clock.timecode(line.start),
            "language": language,
            "text": line.text,
            "kinds": sorted(kinds),
        }


def select_listed_films(films: FilmQuerySet) -> FilmQuerySet:
    """Prefetch what `Serializer.film` needs."""
    spoken = Subtitles.objects.shown().of_kind(LineKind.SAID)
    return films.with_posters().prefetch_related(Prefetch("subtitles", queryset=spoken))
