"""Path converters for URLs."""

from django.urls import register_converter
from django.urls.converters import IntConverter, StringConverter


class NumberConverter(IntConverter):
    """A number of at most nine digits: it has to fit into a file name."""

    regex = "[0-9]{1,9}"


class UidConverter(StringConverter):
    """The random name of a film's folder."""

    regex = "[0-9a-f]{8,32}"


class TokenConverter(StringConverter):
    """The name of a picture used as a query."""

    regex = "[0-9a-f]{32}"


class AnimationConverter(StringConverter):
    """The format of an animation."""

    regex = "webp|gif"


class StillConverter(StringConverter):
    """The format of a still."""

    regex = "jpg|png"


class SecretConverter(StringConverter):
    """The unguessable name of a board or an export."""

    regex = "[A-Za-z0-9_-]{20,32}"


register_converter(NumberConverter, "number")
register_converter(UidConverter, "uid")
register_converter(TokenConverter, "token")
register_converter(AnimationConverter, "animated")
register_converter(StillConverter, "picture")
register_converter(SecretConverter, "unguessable")
