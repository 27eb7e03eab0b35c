"""A board as one film: a part for each scene, joined into an MP4."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from django.utils.translation import gettext as _

from gallery.boards.export_files import reserve_space, result_path, work_folder
from gallery.boards.film_options import FilmSettings, SubtitleMode
from gallery.boards.models import Export
from gallery.boards.timelines import Edit
from gallery.core.disk import raise_disk_full
from gallery.core.errors import DiskFull, FilmError
from gallery.media import ffmpeg, film_parts, overlays
from gallery.media.clip_slots import acquire_slot
from gallery.media.film_parts import PartSpec, TextTrack
from gallery.media.framing import find_framing
from gallery.media.overlays import TimedText
from gallery.media.store import draft_file
from gallery.scenes import clips
from gallery.transcripts import languages
from gallery.transcripts.models import Line

log = logging.getLogger(__name__)

MIN_LINE_SECONDS = 0.2  # what remains of a line at the edge of a scene; shorter is not readable
JOIN_TIMEOUT = 1200.0  # seconds; below the time limit of tasks

Report = Callable[[float], None]
"""Takes the part that is done, 0 to 1. Raises LostClaim when the export was cancelled."""


class BoardFilm:
    """Makes the parts of an export, and the film."""

    scene_suffix = ".mov"

    def __init__(self, export: Export) -> None:
        self.export = export
        self.settings = FilmSettings(**export.plan["film"])

    # --- parts --------------------------------------------------------------------------------

    def make_scene(self, edit: Edit, target: Path, report: Report) -> None:
        """Write the part of a scene to `target`. `report` gets its progress.

        Raises FilmError, ClipBusy, DiskFull, and what `report` raises; FFmpeg is killed then.
        """

        def is_cancelled() -> bool:
            report(0.0)
            return False

        with (
            acquire_slot(clips.EXPORT_TIMEOUT, is_cancelled, has_priority=False),
            draft_file(self.scene_suffix) as (draft, overlay),
        ):
            part = self._plan_part(edit)
            if texts := list(self._overlay_texts(edit)):
                text = overlays.write_overlay(texts, part.format.width, part.format.height)
                with raise_disk_full():
                    overlay.write_text(text, encoding="utf-8")
                part = replace(part, overlay=overlay)
            arguments = film_parts.part_arguments(part, draft)
            _run_ffmpeg(arguments, clips.EXPORT_TIMEOUT, part.clip.seconds, report, part.frames)
            with reserve_space(draft.stat().st_size), raise_disk_full():
                draft.replace(target)

    def _plan_part(self, edit: Edit) -> PartSpec:
        span = clips.make_cut(edit.film, *edit.frames)
        part = PartSpec(span, self.settings.format)
        if not part.is_cropped:
            return part
        framing = find_framing(span)
        return replace(part, inner=framing.inner, focus=framing.focus)

    def _overlay_texts(self, edit: Edit) -> Iterator[TimedText]:
        first, end = edit.frames
        clock, begin = edit.clock, edit.clock.exact_seconds(first)
        if self.settings.subtitles == SubtitleMode.BURNT_IN:
            yield from self._lines_of(edit)
        if self.settings.has_source:
            source = f"{edit.title} · {edit.source_timecodes[0]}"
            length = clock.exact_seconds(end) - begin
            yield TimedText(0.0, float(length), source, overlays.SOURCE)
        if self.settings.has_timecode:
            for frame in range(first, end):
                start, stop = (clock.exact_seconds(at) - begin for at in (frame, frame + 1))
                timecode = clock.source_timecode(clock.exact_seconds(frame))
                yield TimedText(float(start), float(stop), timecode, overlays.TIMECODE)

    def _lines_of(self, edit: Edit) -> Iterator[TimedText]:
        """Yield the lines of dialogue within a scene, with times from its start."""
        begin, end = (float(edit.clock.exact_seconds(frame)) for frame in edit.frames)
        subtitles = edit.film.subtitles.tracks().filter(language=self.settings.language)
        lines = Line.objects.filter(
            subtitles=subtitles.first(),
            start__lt=end - MIN_LINE_SECONDS,
            end__gt=begin + MIN_LINE_SECONDS,
        )
        for line in lines:
            yield TimedText(max(line.start, begin) - begin, min(line.end, end) - begin, line.text)

    # --- the film -----------------------------------------------------------------------------

    def join_scenes(self, scenes: list[tuple[Edit, Path]], report: Report) -> None:
        """Write the film of the parts that were made. Raises as `make_scene` does."""
        folder = work_folder(self.export)
        with reserve_space(sum(path.stat().st_size for _edit, path in scenes)):
            pass  # joining takes too long to keep the lock
        parts, draft = folder / "parts.txt", folder / "film.mp4"
        with raise_disk_full():
            film_parts.write_join_list([path for _edit, path in scenes], parts)
            track = self._text_track([edit for edit, _path in scenes])
        rate = self.settings.format.rate
        seconds = float(sum(self._count_frames(edit) for edit, _path in scenes) / rate)
        arguments = film_parts.join_arguments(parts, rate, draft, track)
        _run_ffmpeg(arguments, JOIN_TIMEOUT, seconds, report)
        with raise_disk_full():
            draft.replace(result_path(self.export))

    def _count_frames(self, edit: Edit) -> int:
        first, end = edit.frames
        return film_parts.count_frames(end - first, edit.clock.grid, self.settings.format.rate)

    def _text_track(self, edits: Iterable[Edit]) -> TextTrack | None:
        """Write the subtitles of the whole film; None when it gets no track, or has no lines."""
        if self.settings.subtitles != SubtitleMode.TRACK:
            return None
        texts: list[TimedText] = []
        begin = Fraction(0)
        for edit in edits:
            start = float(begin)
            begin += self._count_frames(edit) / self.settings.format.rate
            texts += (
                replace(line, start=start + line.start, end=min(start + line.end, float(begin)))
                for line in self._lines_of(edit)
            )
        if not texts:
            return None
        path = work_folder(self.export) / "subtitles.ass"
        path.write_text(overlays.write_track(texts), encoding="utf-8")
        return TextTrack(path, languages.three_letter_code(self.settings.language))


def _run_ffmpeg(
    arguments: list[str], timeout: float, seconds: float, report: Report, frames: int = 1
) -> None:
    """Run FFmpeg for an output of `seconds`. Raises FilmError when it has less than `frames`."""
    done = ffmpeg.run_with_progress(arguments, timeout, lambda written: report(written / seconds))
    if "No space left on device" in done.log_text:
        raise DiskFull
    if done.status != 0 or done.frames < frames:
        log.warning("a film of a board: %s", done.log_text.strip()[-500:])
        raise FilmError(_("Could not make this clip. The film may be damaged here."))
