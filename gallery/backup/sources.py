"""The parts of an installation that are backed up, except the database."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from gallery.backup.copying import is_content
from gallery.backup.tables import SNAPSHOT
from gallery.backup.types import Kind
from gallery.films.models import Film
from gallery.storyboards.models import StoryboardRow

# Smaller thumbnails are created on first use.
DERIVED_FOLDER = re.compile(r"thumbs-\d+")

# The settings that affect search results, permissions and limits. Others belong to one machine
# (folders, threads, server addresses) or are secret.
SETTINGS = (
    *("CLIP_MODEL", "CLIP_EDGES", "CLIP_PRECISION", "SHARE_VECTORS", "READ_TEXT", "SPEECH_MODEL"),
    *("SEGMENT_SECONDS", "LIBRARY_DIRS"),
    *("PUBLIC_URL", "ALLOWED_HOSTS", "PROXIES", "TIME_ZONE"),
    *("SEARCH_NEEDS_LOGIN", "WHOLE_FILMS_FOR", "DOWNLOADS_FOR"),
    *("SEARCH_RATE", "CLIP_RATE", "BOARD_RATE", "API_RATE", "API_RATE_WITHOUT_TOKEN"),
    *("MAX_FILM_HOURS", "MAX_FILM_PIXELS", "MAX_PICTURE_BYTES", "MAX_PICTURE_PIXELS"),
    *("MAX_SUBTITLE_BYTES", "MAX_QUERY_CHARACTERS", "MAX_CLIP_SECONDS"),
    *("MAX_ANONYMOUS_BOARDS", "MAX_ANONYMOUS_SCENES", "EXPORT_BYTES", "EXPORT_CACHE_BYTES"),
    *("CLIP_CACHE_BYTES", "PICTURE_CACHE_BYTES"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file, folder or link at `location`, with its `path` in the media store.

    `is_film`: a film file, which is large, and of which people often have another copy.
    """

    path: str
    location: Path
    kind: Kind = Kind.FILE
    is_film: bool = False


def searchable_runs(using: str) -> dict[str, int | None]:
    """Return the searchable run of each film, by the name of its folder."""
    return dict(Film.objects.using(using).order_by("pk").values_list("uid", "searchable_run"))


def list_sources() -> Iterator[Source]:
    """Yield what the open snapshot needs from the media store.

    For films outside the media store, that is only the link.
    """
    for uid, run in searchable_runs(SNAPSHOT).items():
        folder = settings.MEDIA_ROOT / "films" / uid
        if run is not None:
            yield from _list_run(folder / str(run))
        yield from map(_source, _children(folder / "subtitles"))
        for path in _children(folder):
            if path.is_symlink():
                yield _source(path, Kind.LINK)
            elif path.is_file():
                yield _source(path, is_film=True)
    pictures = StoryboardRow.objects.using(SNAPSHOT).exclude(picture="").order_by("picture")
    for token in pictures.values_list("picture", flat=True).distinct():
        path = settings.MEDIA_ROOT / "probes" / f"{token}.jpg"
        if path.is_file():
            yield _source(path)


def _list_run(run: Path) -> Iterator[Source]:
    """Yield the files of a run: thumbnail folders as a whole, all other files one by one."""
    for path in _children(run):
        if not path.is_dir():
            yield _source(path)
        elif not DERIVED_FOLDER.fullmatch(path.name):
            yield _source(path, Kind.FOLDER)


def _source(path: Path, kind: Kind = Kind.FILE, *, is_film: bool = False) -> Source:
    return Source(path.relative_to(settings.MEDIA_ROOT).as_posix(), path, kind, is_film)


def _children(folder: Path) -> list[Path]:
    """Return the finished files and folders in a folder; none if it is missing."""
    try:
        return sorted(path for path in folder.iterdir() if is_content(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
