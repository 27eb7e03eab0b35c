"""What goes with every search: the labels there are, and who asks."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from gallery import access
from gallery.api import schemas
from gallery.api.finding import Ids, Year
from gallery.api.guard import ANYBODY
from gallery.api.refusals import refusals
from gallery.embedding import weights
from gallery.labels import labelling

router = Router()


class Counted(Schema):
    """Which films the labels are counted in."""

    film: Ids = Field([], description="Count in these films; in all if left out.")
    from_: Year = Field(None, alias="from", description="Count in films of this year or later.")
    to: Year = Field(None, description="Count in films of this year or earlier.")


@router.get(
    "/labels",
    auth=ANYBODY,
    response={200: schemas.Labels, **refusals(400)},
    operation_id="list_labels",
    url_name="labels",
    summary="List labels",
    tags=["Labels"],
)
def list_labels(request: HttpRequest, asked: Query[Counted]) -> Any:  # noqa: ARG001
    """All labels that staff has made, and how many shots carry each: a search takes `label=ID`."""
    return {
        "results": [
            {"id": one.label, "name": one.name, "shots": one.shots, "films": one.films}
            for one in labelling.counts(asked.film, (asked.from_, asked.to))
        ]
    }


@router.get(
    "/me",
    auth=ANYBODY,
    response={200: schemas.Me, **refusals()},
    operation_id="me",
    url_name="me",
    summary="Who asks",
    tags=["Service"],
)
def me(request: HttpRequest) -> Any:
    """The user of the token, and what they may do: a way to try a token out."""
    user = request.user
    return {
        "user": user.get_username() if user.is_authenticated else None,
        "may_play_films": access.may_play_films(user),
        "may_download": access.may_download(user),
        "model": weights.current().name,
    }
