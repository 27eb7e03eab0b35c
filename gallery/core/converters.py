"""Parts of addresses, by what they hold."""

from django.urls import register_converter
from django.urls.converters import IntConverter, StringConverter


class Number(IntConverter):
    """A number of a sensible length: others would not fit into the name of a file."""

    regex = "[0-9]{1,9}"


class Uid(StringConverter):
    """The random name of a film's folder."""

    regex = "[0-9a-f]{8,32}"


class Token(StringConverter):
    """The name of a picture that is searched with."""

    regex = "[0-9a-f]{32}"


class Animated(StringConverter):
    """A kind of picture that moves."""

    regex = "webp|gif"


class PictureKind(StringConverter):
    """A kind of picture that stands still."""

    regex = "jpg|png"


class Unguessable(StringConverter):
    """The name of a board, or of an export."""

    regex = "[A-Za-z0-9_-]{20,32}"


register_converter(Number, "number")
register_converter(Uid, "uid")
register_converter(Token, "token")
register_converter(Animated, "animated")
register_converter(PictureKind, "picture")
register_converter(Unguessable, "unguessable")
