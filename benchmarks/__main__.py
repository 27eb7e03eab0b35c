"""Run one measurement, or all that take minutes: not `search` and `tutorial`."""

import argparse
from collections.abc import Callable

import django

from benchmarks import (
    clips,
    dialogue,
    edges,
    index,
    labels,
    memory,
    search,
    start,
    throughput,
    tutorial,
)

ALL: dict[str, Callable[[], None]] = {
    "edges": edges.main,
    "throughput": throughput.main,
    "index": index.main,
    "dialogue": dialogue.main,
    "clips": clips.main,
    "labels": labels.main,
    "memory": memory.main,
    "start": start.main,
}


def main() -> None:
    """The first argument names the measurement; its own arguments follow."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name in ALL:
        names.add_parser(name)
    names.add_parser("search", add_help=False)  # it has options and help of its own
    tutorial.add_arguments(names.add_parser("tutorial"))
    chosen, rest = parser.parse_known_args()
    if rest and chosen.name != "search":
        parser.error(f"{chosen.name} does not know {' '.join(rest)}")
    if chosen.name == "search":
        search.main(rest)
        return
    django.setup()
    if chosen.name == "tutorial":
        tutorial.main(chosen)
        return
    for name in [chosen.name] if chosen.name else ALL:
        print(f"\n== {name}\n", flush=True)
        ALL[name]()


if __name__ == "__main__":
    main()
