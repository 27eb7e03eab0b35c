"""Parses TTML, also called DFXP.

Specification: https://www.w3.org/TR/ttml2/ section 12. pysubs2 lacks frames, ticks, `dur` and the
namespaces of the drafts; ttconv loses the content of a `div` that begins later.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from xml.etree import ElementTree

from django.utils.translation import gettext as _

from gallery.core.errors import SubtitlesError

NAMESPACES = re.compile(r"http://www\.w3\.org/(?:ns/ttml|\d{4}/\d\d/ttaf1)")
NEVER = float("inf")  # the end of an element that is shown as long as its parent


class Paragraph(NamedTuple):
    """A cue: begin and end in seconds, and its text with markup characters escaped."""

    begin: float
    end: float
    text: str


def paragraphs(text: str) -> list[Paragraph]:
    """Return the timed paragraphs of a TTML file in file order, or its timed spans if these have
    none.

    Raises SubtitlesError when it is not a TTML file.
    """
    # Rejecting document types prevents entity expansion and external entities.
    if "<!DOCTYPE" in text:
        raise SubtitlesError(
            _(
                "This XML file contains a document type declaration (DOCTYPE), which is refused "
                "for security."
            )
        )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise SubtitlesError(
            _("This XML file is damaged: %(error)s.") % {"error": error}
        ) from error
    if _name(root) != "tt" or not NAMESPACES.match(root.tag[1:]):
        raise SubtitlesError(_("This XML file does not contain TTML subtitles."))
    reader = _Reader(_Clock.of(root))
    try:
        for child in root:
            if _name(child) == "body":
                reader.collect(child, 0.0, NEVER)
    except RecursionError as error:
        raise SubtitlesError(_("The elements of this XML file are nested too deeply.")) from error
    return reader.found


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


# --- times --------------------------------------------------------------------------------------

_CLOCK_TIME = re.compile(r"(\d{1,6}):(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9})|:(\d{1,3})(?:\.\d+)?)?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)")


@dataclass(frozen=True, slots=True)
class _Clock:
    """The durations of frames and ticks, in seconds."""

    frame: float
    tick: float

    @classmethod
    def of(cls, root: ElementTree.Element) -> "_Clock":
        given = {name.rpartition("}")[2]: value for name, value in root.attrib.items()}
        rate = _number(given.get("frameRate")) or 30.0
        multiplier = [_number(part) for part in given.get("frameRateMultiplier", "1 1").split()]
        if len(multiplier) == 2 and all(multiplier):
            rate *= multiplier[0] / multiplier[1]
        ticks = _number(given.get("tickRate")) or (rate if "frameRate" in given else 1.0)
        return cls(1 / rate, 1 / ticks)

    def seconds(self, expression: str | None) -> float | None:
        """Convert a time expression to seconds; None if it is missing or malformed."""
        if match := _CLOCK_TIME.fullmatch((expression or "").strip()):
            hours, minutes, seconds, fraction, frames = match.groups()
            whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
            return whole + float(f"0.{fraction or 0}") + int(frames or 0) * self.frame
        if match := _OFFSET.fullmatch((expression or "").strip()):
            unit = {"h": 3600, "m": 60, "s": 1, "ms": 0.001, "f": self.frame, "t": self.tick}
            return float(match[1]) * unit[match[2]]
        return None


def _number(text: str | None) -> float:
    match = re.fullmatch(r"\s*(\d{1,9})\s*", text or "")
    return float(match[1]) if match else 0.0


# --- elements -----------------------------------------------------------------------------------


class _Reader:
    """Walks the elements and collects their cues."""

    def __init__(self, clock: _Clock) -> None:
        self.clock = clock
        self.found: list[Paragraph] = []

    def collect(self, element: ElementTree.Element, reference: float, limit: float) -> float:
        """Add the cues of an element; return when it ends.

        Its times are relative to `reference`; it is not shown after `limit`.
        """
        begin, end = self._extent(element, reference, limit)
        name = _name(element)
        if begin is None or name not in ("body", "div", "p", "span"):
            return reference
        if name in ("p", "span") and end < NEVER and _is_line(element):
            self.found.append(Paragraph(round(begin, 3), round(end, 3), "".join(_text(element))))
            return end
        is_sequence = element.get("timeContainer") == "seq"
        last = begin
        for child in element:
            after = self.collect(child, last if is_sequence else begin, end)
            last = after if after < NEVER else last
        return end if end < NEVER else last

    def _extent(
        self, element: ElementTree.Element, reference: float, limit: float
    ) -> tuple[float | None, float]:
        """Return when an element begins (None if malformed) and ends."""
        offset = self.clock.seconds(element.get("begin", "0s"))
        if offset is None:
            return None, limit
        begin, ends = reference + offset, [limit]
        if (end := self.clock.seconds(element.get("end"))) is not None:
            ends.append(reference + end)
        if (duration := self.clock.seconds(element.get("dur"))) is not None:
            ends.append(begin + duration)
        return begin, min(ends)


def _is_line(element: ElementTree.Element) -> bool:
    """Return whether an element is one cue: it has times, or nothing in it has."""
    return _has_times(element) or not any(_has_times(below) for below in element.iter())


def _has_times(element: ElementTree.Element) -> bool:
    return any(element.get(name) is not None for name in ("begin", "end", "dur"))


def _text(element: ElementTree.Element) -> Iterator[str]:
    """Yield the text of an element, with a newline for each `br` and without metadata."""
    yield html.escape(re.sub(r"\s+", " ", element.text or ""), quote=False)
    for child in element:
        if _name(child) == "br":
            yield "\n"
        elif _name(child) == "span":
            yield from _text(child)
        yield html.escape(re.sub(r"\s+", " ", child.tail or ""), quote=False)
