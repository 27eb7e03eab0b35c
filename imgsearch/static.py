"""Storage of static files: hashed names, compressed, cached by browsers forever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

# What Django does for all scripts with `support_js_module_import_aggregation`. It takes text in the
# comments of htmx for imports, so here it is done for this project's own modules only.
_EVERY_SCRIPT, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Also replaces the names of modules that this project's scripts import by hashed ones."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("gallery/*.js", IMPORTS))
