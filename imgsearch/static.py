"""Storage of static files: hashed names, compressed, cached by browsers forever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

# As Django's `support_js_module_import_aggregation`, but for this project's modules only: Django
# mistakes text in the comments of htmx for imports.
_EVERY_SCRIPT, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Also replaces the names of modules that this project's scripts import by hashed ones."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("gallery/*.js", IMPORTS))
