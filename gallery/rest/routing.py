"""A router that derives what operations have in common."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import ninja

from gallery.rest.guard import TOKEN_REQUIRED
from gallery.rest.schemas import Error


class Router(ninja.Router):
    """A router whose operations describe their error responses."""

    def add_api_operation(
        self,
        path: str,
        methods: list[str],
        view_func: Callable[..., Any],
        *,
        response: Any = None,
        **options: Any,
    ) -> None:
        """Add an operation; `response` has its type, or types by status."""
        arguments = path.count("{")
        errors = [401, 429, 503]
        if len(signature(view_func).parameters) > 1 + arguments:
            errors.append(400)
        if arguments:
            errors.append(404)
            if options["auth"] is TOKEN_REQUIRED:
                errors.append(403)
        responses = response if isinstance(response, dict) else {200: response}
        responses |= dict.fromkeys(sorted(errors), Error)
        super().add_api_operation(path, methods, view_func, response=responses, **options)
