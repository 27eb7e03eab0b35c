"""What is kept from training: seeds (disjoint ranges) and pairs of things (a hash decides)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from itertools import combinations

TRAINING_SEEDS = range(0, 1 << 48)
EVALUATION_SEEDS = range(1 << 50, (1 << 50) + (1 << 32))
FILM_SEEDS = range(1 << 52, (1 << 52) + (1 << 32))

HELD_OUT_SHARE = 0.08
# Each of these is always learned with the others, because "smiling man wave" is one figure.
ALWAYS_TRAINED = frozenset({"man", "smiling", "wave"})
# The examples of the documentation are never learned.
NEVER_TRAINED = frozenset({frozenset({"cat", "rocket"}), frozenset({"dog", "bicycle"})})


@cache
def is_held_out_pair(a: str, b: str) -> bool:
    """Whether no training picture may show the concepts of these two slugs together."""
    pair = frozenset({a, b})
    if len(pair) < 2 or pair <= ALWAYS_TRAINED:
        return False
    if pair in NEVER_TRAINED:
        return True
    text = "+".join(sorted(pair)).encode()
    number = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    return number / 2**64 < HELD_OUT_SHARE


def is_trainable(slugs: Iterable[str]) -> bool:
    """Whether a training picture may show these things together: no two of them are held out."""
    return not any(is_held_out_pair(a, b) for a, b in combinations(sorted(set(slugs)), 2))
