"""Run one benchmark, or all short ones.

The long ones are those in `WITH_OPTIONS`, `shots` and `tutorial`. `vitals` measures a running
installation.
"""

import argparse
from collections.abc import Callable, Sequence

import django

django.setup()  # before the imports below, some of which import models

from benchmarks import (  # noqa: E402
    backup,
    clips,
    crops,
    dialogue,
    edges,
    embedding,
    frame_kinds,
    index_size,
    labels,
    library_folder,
    line_meaning,
    memory,
    model_switch,
    pictures,
    reading_cost,
    scaling,
    scenes,
    script,
    search,
    server,
    shots,
    soak,
    start,
    text,
    throughput,
    thumbnails,
    tutorial,
    vitals,
)

ALL: dict[str, Callable[[], None]] = {
    "edges": edges.main,
    "embedding": embedding.main,
    "throughput": throughput.main,
    "dialogue": dialogue.main,
    "clips": clips.main,
    "crops": crops.main,
    "labels": labels.main,
    "memory": memory.main,
    "pictures": pictures.main,
    "start": start.main,
    "thumbnails": thumbnails.main,
}

# Each parses its own options.
WITH_OPTIONS: dict[str, Callable[[Sequence[str]], None]] = {
    "backup": backup.main,
    "frame_kinds": frame_kinds.main,
    "index_size": index_size.main,
    "library_folder": library_folder.main,
    "line_meaning": line_meaning.main,
    "model_switch": model_switch.main,
    "reading_cost": reading_cost.main,
    "scaling": scaling.main,
    "scenes": scenes.main,
    "script": script.main,
    "search": search.main,
    "server": server.main,
    "soak": soak.main,
    "text": text.main,
    "vitals": vitals.main,
}


def main() -> None:
    """Run the benchmark named by the first argument with the remaining arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name in ALL:
        names.add_parser(name)
    for name in WITH_OPTIONS:
        names.add_parser(name, add_help=False)  # it parses its own options and help
    shots.add_arguments(names.add_parser("shots"))
    tutorial.add_arguments(names.add_parser("tutorial"))
    chosen, rest = parser.parse_known_args()
    if chosen.name in WITH_OPTIONS:
        WITH_OPTIONS[chosen.name](rest)
        return
    if rest:
        parser.error(f"{chosen.name} does not know {' '.join(rest)}")
    if chosen.name == "tutorial":
        tutorial.main(chosen)
        return
    if chosen.name == "shots":
        shots.main(chosen)
        return
    for name in [chosen.name] if chosen.name else ALL:
        print(f"\n== {name}\n", flush=True)
        ALL[name]()


if __name__ == "__main__":
    main()
