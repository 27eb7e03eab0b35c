"""manage.py search: search in the terminal."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.core.errors import GalleryError
from gallery.films.shortcuts import thumbnail_url
from gallery.films.template_tags import timecode
from gallery.search import engine, pictures
from gallery.search.types import Example, Hit, Mode, Query


class Command(BaseCommand):
    """Finds scenes."""

    help = "Find scenes by words, by a picture, or by both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the query and the output format."""
        parser.add_argument("words", nargs="?", default="")
        parser.add_argument("--image", type=Path, metavar="FILE", help="search with a picture")
        parser.add_argument(
            "--not", dest="avoid", default="", metavar="WORDS", help="words to avoid"
        )
        parser.add_argument(
            "--in",
            dest="mode",
            type=Mode,
            choices=list(Mode),
            default=Mode.BOTH,
            help="search for the words in pictures (seen), dialogue (said), text in the picture "
            "(written) or everything (both; the default)",
        )
        parser.add_argument("--film", type=int, metavar="ID", help="search only this film")
        parser.add_argument("--count", type=int, default=24, help="number of results (default: 24)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Search and print."""
        if options["count"] < 1:
            raise CommandError("--count must be at least 1.")
        try:
            token = self._picture(options["image"]) if options["image"] else ""
            results = engine.search(
                Query(
                    words=options["words"],
                    avoid=options["avoid"],
                    mode=options["mode"],
                    examples=(Example(picture=token),) if token else (),
                    films=(options["film"],) if options["film"] else (),
                    page_size=options["count"],
                )
            )
        except (GalleryError, OSError) as error:
            raise CommandError(str(error)) from error
        for notice in results.notices:
            self.stderr.write(notice)
        if options["json"]:
            self.stdout.write(
                json.dumps([_row(h) for h in results.hits], ensure_ascii=False, indent=1)
            )
            return
        if not results.hits:
            self.stdout.write("No results.")
        elif not results.matches:
            self.stdout.write("No close matches. Closest scenes:")
        for hit in results.hits:
            line = f"  “{hit.line.text}”" if hit.line else ""
            if hit.line and hit.line.is_written:
                line += " (in the picture)"
            when = timecode(hit.time, hit.listed_film.rate)
            self.stdout.write(f"{hit.relevance:4.0%}  {when}  {hit.listed_film.title}{line}")

    def _picture(self, path: Path) -> str:
        if path.stat().st_size == 0:
            raise CommandError(f"{path} is empty (0 bytes).")
        with path.open("rb") as file:
            return pictures.store_picture(pictures.open_picture(file))


def _row(hit: Hit) -> dict[str, Any]:
    return {
        "film": hit.film,
        "title": hit.listed_film.title,
        "start": hit.start,
        "end": hit.end,
        "time": hit.time,
        "second": hit.second,
        "score": round(hit.score, 6),
        "relevance": round(hit.relevance, 3),
        "line": hit.line.text if hit.line else None,
        "line_kinds": sorted(hit.line.kinds) if hit.line else [],
        "line_box": hit.line.box if hit.line else None,
        "thumbnail": thumbnail_url(hit.listed_film, hit.second),
    }
