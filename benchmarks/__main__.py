"""Run one measurement, with its options, or all."""

import sys
from collections.abc import Callable

import django

from benchmarks import clips, dialogue, edges, index, labels, search, start, throughput

ALL: dict[str, Callable[[], None]] = {
    "edges": edges.main,
    "throughput": throughput.main,
    "index": index.main,
    "dialogue": dialogue.main,
    "clips": clips.main,
    "labels": labels.main,
    "search": search.main,
    "start": start.main,
}


def main() -> None:
    """Names are arguments; none means all. Options belong to `search`."""
    if sys.argv[1:2] == ["search"]:
        search.main(sys.argv[2:])
        return
    names = sys.argv[1:] or list(ALL)
    unknown = set(names) - set(ALL)
    if unknown:
        raise SystemExit(f"No benchmark {', '.join(unknown)}; there are {', '.join(ALL)}.")
    django.setup()
    for name in names:
        print(f"\n== {name}\n", flush=True)
        ALL[name]()


if __name__ == "__main__":
    main()
