"""A board as a zip of exact clips, with a table (CSV) and a timeline (OTIO) that plays them."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from gallery.boards.csv_table import csv_table
from gallery.boards.export_files import reserve_space, result_path
from gallery.boards.models import Export
from gallery.boards.timelines import Edit, otio_timeline
from gallery.core.disk import raise_disk_full
from gallery.core.file_names import file_name
from gallery.media.store import write_atomically
from gallery.scenes import clips

MAX_LISTED_BYTES = 20_000  # one scene in the table and the timeline, including its note


class ClipArchive:
    """Makes the clips of an export, and the zip."""

    scene_suffix = ".mp4"

    def __init__(self, export: Export) -> None:
        self.export = export

    def make_scene(self, edit: Edit, target: Path, report: Callable[[float], None]) -> None:
        """Write the clip of a scene to `target`. See `BoardFilm.make_scene`."""

        def is_cancelled() -> bool:
            report(0.0)
            return False

        clip = clips.render_clip(edit.film, edit.start, edit.end, is_cancelled)
        with reserve_space(clip.stat().st_size):
            _link_or_copy(clip, target)

    def join_scenes(
        self, scenes: list[tuple[Edit, Path]], _report: Callable[[float], None]
    ) -> None:
        """Write the zip of the scenes that were made."""
        size = sum(path.stat().st_size + MAX_LISTED_BYTES for _edit, path in scenes)
        with reserve_space(size):
            write_atomically(result_path(self.export), lambda file: self._write(file, scenes))

    def _write(self, file: IO[bytes], scenes: list[tuple[Edit, Path]]) -> None:
        name = file_name(self.export.plan["name"])
        edits = [edit for edit, _path in scenes]
        names = {edit.number: clip_name(edit, self.export.total_count) for edit in edits}
        # Clips are compressed already.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for edit, path in scenes:
                archive.write(path, f"{name}/{names[edit.number]}")
            archive.writestr(f"{name}/{name}.csv", csv_table(edits))
            timeline = otio_timeline(self.export.plan["name"], edits, names)
            archive.writestr(f"{name}/{name}.otio", timeline)


def clip_name(edit: Edit, total: int) -> str:
    """Return the name of a clip's file: 01 Title 00.01.02.03.mp4."""
    digits = max(2, len(str(total)))
    time = edit.clock.timecode(edit.start).replace(":", ".")
    return f"{edit.number:0{digits}d} {file_name(edit.film.title)} {time}.mp4"


def _link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a clip out of the cache, which may evict it, or copy it."""
    with raise_disk_full():
        try:
            os.link(source, target)
        except OSError:
            draft = target.with_suffix(".part")
            shutil.copyfile(source, draft)
            draft.replace(target)
