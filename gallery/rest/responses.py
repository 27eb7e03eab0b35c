"""The error responses of operations in the OpenAPI description."""

from gallery.rest.schemas import Error


def error_responses(*statuses: int) -> dict[int, type[Error]]:
    """Return these error responses, and those of every operation."""
    return dict.fromkeys(sorted({*statuses, 401, 429, 503}), Error)
