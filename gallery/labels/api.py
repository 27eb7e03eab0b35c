"""API: the labels, and the current user."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import Field, Query, Schema

from gallery.clip import weights
from gallery.core import access
from gallery.labels import scoring
from gallery.rest import schemas
from gallery.rest.routing import Router
from gallery.search.address import Ids, Year

router = Router()


class CountFilters(Schema):
    """Films in which to count the labels."""

    film: Ids = Field([], description="Count only in these films; all by default.")
    from_: Year = Field(
        None, alias="from", description="Count only in films from this year or later."
    )
    to: Year = Field(None, description="Count only in films from this year or earlier.")


@router.get(
    "/labels", response=schemas.Labels, summary=gettext_noop("List labels"), tags=["Labels"]
)
def list_labels(request: HttpRequest, filters: Query[CountFilters]) -> Any:  # noqa: ARG001
    """All labels, with the number of shots that have each. Search with `label=ID`."""
    return {
        "results": [
            {"id": count.label, "name": count.name, "shots": count.shots, "films": count.films}
            for count in scoring.count_shots(filters.film, (filters.from_, filters.to))
        ]
    }


@router.get("/me", response=schemas.Me, summary=gettext_noop("Current user"), tags=["Service"])
def me(request: HttpRequest) -> Any:
    """The token's user and their permissions. Useful to test a token."""
    user = request.user
    return {
        "user": user.get_username() if user.is_authenticated else None,
        "may_play_films": access.may_play_films(user),
        "may_download": access.may_download(user),
        "model": weights.current().name,
    }
