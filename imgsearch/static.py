"""How static files are stored: hashed, compressed, and kept by browsers for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Django can do this for all scripts, but stumbles over a comment in one of htmx's.
IMPORTS = (
    (
        r"""(?P<matched>import\s(?P<names>[\w\s{},*]+?)\sfrom\s"(?P<url>\./[\w.-]+)";)""",
        'import %(names)s from "%(url)s";',
    ),
    (r"""(?P<matched>import\s"(?P<url>\./[\w.-]+)";)""", 'import "%(url)s";'),
)


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Our scripts that import others name these by their hash, too."""

    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("gallery/*.js", IMPORTS))
