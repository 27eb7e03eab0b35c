"""How static files are stored: hashed, compressed, and kept by browsers for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

# What Django does for all scripts with `support_js_module_import_aggregation`. It takes text in the
# comments of htmx for imports, so here it is done for this project's own modules only.
_EVERY_SCRIPT, IMPORTS = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns


class StaticFiles(CompressedManifestStaticFilesStorage):
    """The project's modules import one another by their hashed names."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("gallery/*.js", IMPORTS))
