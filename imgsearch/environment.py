"""Settings from the environment and .env."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):
    """Names the setting whose value is not what it has to be."""

    def get_value(self, var: str, *arguments: Any, **options: Any) -> Any:
        """Return a value. Raises ImproperlyConfigured if it cannot be read as its type."""
        try:
            return super().get_value(var, *arguments, **options)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var}: {error}") from error
