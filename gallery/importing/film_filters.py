"""Filters of the film list in the admin."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gallery.films.models import Film


class WhereFilter(SimpleListFilter):
    """Filters films by the location of their file: uploaded, in a library folder, or away."""

    title = gettext_lazy("file")
    parameter_name = "where"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the choices."""
        return [
            ("uploaded", _("uploaded")),
            ("library", _("in a library folder")),
            ("away", _("cannot be reached")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Film]) -> QuerySet[Film]:  # noqa: ARG002
        """Return the films with the chosen location."""
        match self.value():
            case "uploaded":
                return queryset.filter(library_files__isnull=True)
            case "library":
                return queryset.filter(library_files__isnull=False).distinct()
            case "away":
                return queryset.filter(away_since__isnull=False)
        return queryset
