"""What is held out from training: seeds (disjoint ranges) and pairs of things (by a hash)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from itertools import combinations

TRAINING_SEEDS = range(0, 1 << 48)
EVALUATION_SEEDS = range(1 << 50, (1 << 50) + (1 << 32))
FILM_SEEDS = range(1 << 52, (1 << 52) + (1 << 32))

HELD_OUT_SHARE = 0.08
# Pairs of these are always trained, because "smiling man wave" is one figure.
ALWAYS_TRAINED = frozenset({"man", "smiling", "wave"})
# The examples of the documentation are never trained.
NEVER_TRAINED = frozenset({frozenset({"cat", "rocket"}), frozenset({"dog", "bicycle"})})


@cache
def is_held_out_pair(a: str, b: str) -> bool:
    """Return whether no training picture may show both concepts."""
    pair = frozenset({a, b})
    if len(pair) < 2 or pair <= ALWAYS_TRAINED:
        return False
    if pair in NEVER_TRAINED:
        return True
    text = "+".join(sorted(pair)).encode()
    number = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    return number / 2**64 < HELD_OUT_SHARE


def is_trainable(slugs: Iterable[str]) -> bool:
    """Return whether a training picture may show these things: no pair of them is held out."""
    return not any(is_held_out_pair(a, b) for a, b in combinations(sorted(set(slugs)), 2))
