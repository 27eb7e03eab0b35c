"""Path converters for URLs."""

from django.urls import register_converter
from django.urls.converters import IntConverter, StringConverter

# Names in URLs, and what they match.
PATTERNS = {
    "uid": "[0-9a-f]{8,32}",  # the random name of a film's folder
    "token": "[0-9a-f]{32}",  # the name of a picture used as a query
    "animated": "webp|gif",
    "picture": "jpg|png",
    "width": "160|320|480",  # of smaller thumbnails: `gallery.films.thumbnails.WIDTHS`
    "unguessable": "[A-Za-z0-9_-]{20,32}",  # the name of a board or an export
}


class NumberConverter(IntConverter):
    """A number of at most nine digits: it has to fit into a file name."""

    regex = "[0-9]{1,9}"


register_converter(NumberConverter, "number")
for name, pattern in PATTERNS.items():
    register_converter(type(f"{name}_converter", (StringConverter,), {"regex": pattern}), name)
