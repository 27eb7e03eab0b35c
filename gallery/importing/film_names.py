"""Guesses a film's title and year from its file name."""

from pathlib import Path

MAX_TITLE_LENGTH = 200  # characters
# guessit ends a title at words such as "Part" or a number; here it ends at the first of these.
_RELEASE_FACTS = ("year", "screen_size", "video_codec")


def guess_title(name: str) -> tuple[str, int | None]:
    """Return the title and the year that a file name suggests: `Rain.2019.1080p.mkv`.

    Without a recognizable title, it is the whole name without its extension ("" for an empty name).
    """
    # Loading its rules takes half a second.
    from guessit.api import GuessitException, guessit
    from guessit.rules.common.formatters import cleanup

    name = Path(name).name
    stem, year = Path(name).stem, None
    try:
        facts = guessit(name, {"advanced": True})
    except GuessitException:
        facts = {}
    titles = [facts[key].start for key in ("title", "alternative_title") if key in facts]
    if titles:
        starts = [facts[key].start for key in _RELEASE_FACTS if key in facts]
        end = min((start for start in starts if start > min(titles)), default=len(stem))
        stem = name[min(titles) : end]
        year = facts["year"].value if "year" in facts else None
    title = (stem if " " in stem else cleanup(stem)).strip(" ([{-_")
    # The point before the year belongs to the title of C.R.A.Z.Y. only.
    title = title.rstrip(".") if title.count(".") == 1 else title
    return title[:MAX_TITLE_LENGTH], year
