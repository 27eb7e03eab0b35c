"""Which errors an operation can end with, for the description of the API."""

from gallery.rest.schemas import Error


def error_responses(*statuses: int) -> dict[int, type[Error]]:
    """The errors with these statuses, and those that any operation can end with."""
    return dict.fromkeys(sorted({*statuses, 401, 429, 503}), Error)
