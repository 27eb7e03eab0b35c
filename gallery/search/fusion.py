"""Merges the ranking of pictures and the ranking of dialogue into one ranking of shots."""

from collections.abc import Sequence
from dataclasses import dataclass

from gallery.index.types import FrameKey, Neighbour
from gallery.search.ranking import ShotKey, fuse_rankings, shot_key
from gallery.transcripts.types import FoundLine

FUSION_DEPTH = 200  # shots of the picture ranking that are fused with the dialogue


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shot that was found by its pictures (`cosine`), by a `line` of dialogue, or by both.

    It is shown by the frame at `second` and ranked by `score`.
    """

    film: int
    second: int
    shot: int
    score: float
    cosine: float | None = None
    line: FoundLine | None = None

    @property
    def key(self) -> FrameKey:
        """The frame that shows it."""
        return self.film, self.second

    def matches(self, threshold: float) -> bool:
        """Return whether its cosine reaches `threshold`, or its line contains all the words."""
        return (self.line is not None and self.line.complete) or (
            self.cosine is not None and self.cosine >= threshold
        )


def fuse(
    pictures: Sequence[Neighbour], lines: Sequence[FoundLine], depth: int = FUSION_DEPTH
) -> list[Candidate]:
    """Merge two rankings of shots by reciprocal rank fusion.

    The first `depth` pictures are fused; the others follow in their own order.
    """
    if not lines:
        return [_from_picture(picture, picture.score) for picture in pictures]
    by_picture = {shot_key(picture): picture for picture in pictures}
    by_line: dict[ShotKey, FoundLine] = {}
    for line in lines:
        by_line.setdefault((line.record.film, line.record.shot), line)
    head = list(by_picture)[:depth]
    picture_ranks = {key: rank for rank, key in enumerate(head)}
    line_ranks = {key: rank for rank, key in enumerate(by_line)}
    fused = []
    # At equal scores, a line with all the words precedes a picture, one with some of them follows.
    said = list(by_line)
    rankings = (said, head) if any(line.complete for line in lines) else (head, said)
    for key, score in fuse_rankings(*rankings).items():
        picture, found = by_picture.get(key), by_line.get(key)
        if found is None:
            fused.append(_from_picture(by_picture[key], score))
            continue
        # The better ranked of both gives the frame to show.
        is_shown_by_line = key not in picture_ranks or line_ranks[key] <= picture_ranks[key]
        film, second = found.record.key if is_shown_by_line else by_picture[key].key
        cosine = picture.score if picture else None
        fused.append(Candidate(film, second, key[1], score, cosine, found))
    tail = [picture for key, picture in list(by_picture.items())[depth:] if key not in by_line]
    return fused + [_from_picture(picture, 0.0) for picture in tail]


def _from_picture(picture: Neighbour, score: float) -> Candidate:
    return Candidate(picture.film, picture.second, picture.shot, score, picture.score)
