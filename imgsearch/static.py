"""Storage of static files: hashed names, compressed, cached by browsers forever."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

# As Django's `support_js_module_import_aggregation`, but for this project's modules only: Django
# mistakes text in the comments of htmx for imports.
_EVERY_SCRIPT, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns

# Styles that pages always use together, as one file: browsers open six connections, and on a slow
# one each further round of requests delays the first picture by half a second. All styles lie in
# cascade layers, so their order does not matter. A bundle lies where its `url()` resolve.
BUNDLES = {
    "gallery/search/page.css": (
        "gallery/base.css",
        "gallery/layout.css",
        "gallery/controls.css",
        "gallery/search/find.css",
    ),
    "gallery/search/search.css": (
        "gallery/search/query.css",
        "gallery/search/refine.css",
        "gallery/search/cards.css",
        "gallery/boards/collect.css",
        "gallery/boards/selection.css",
    ),
    "gallery/scenes/page.css": (
        "gallery/scenes/player.css",
        "gallery/scenes/scene.css",
        "gallery/scenes/scene-details.css",
        "gallery/scenes/trim.css",
    ),
}


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Also bundles styles, and replaces the names of imported modules by hashed ones."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("gallery/*.js", IMPORTS))

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        """Write the bundles, then hash and compress all files."""
        for bundle, names in BUNDLES.items():
            if dry_run or not set(names) <= paths.keys():
                continue
            parts = [Path(self.path(name)).read_text("utf-8") for name in names]
            Path(self.path(bundle)).write_text("\n".join(parts), "utf-8")
            paths[bundle] = (self, bundle)
        yield from super().post_process(paths, dry_run, **options)
