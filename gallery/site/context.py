"""Context processors."""

from typing import Any

from django.http import HttpRequest

from gallery.clip import weights
from gallery.core.errors import ModelError


def installation(_request: HttpRequest) -> dict[str, Any]:
    """Return the model in use, for the footer."""
    try:
        return {"model": weights.current()}
    except (ModelError, OSError, ValueError) as error:
        return {"model_error": error}
