"""API: the models that embed films."""

from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop
from ninja import Field, Schema

from gallery.clip import weights
from gallery.films.models import Film
from gallery.rest.routing import Router

router = Router()


class EmbeddingModel(Schema):
    """A model and how many films it can search."""

    name: str = Field(description="A hub id, a folder, or demo.", examples=["demo"])
    fingerprint: str = Field(
        description="Changes whenever the vectors would.", examples=["0123456789ab"]
    )
    state: Literal["active", "filling", "previous"] = Field(
        description="Searches use the active model; another one may be filling or kept."
    )
    films: int = Field(description="Films that it can find.")
    all_films: int = Field(description="Films that any model can find.")


class EmbeddingModels(Schema):
    """All models."""

    results: list[EmbeddingModel]


@router.get(
    "/models", response=EmbeddingModels, summary=gettext_noop("List models"), tags=["Service"]
)
def list_models(request: HttpRequest) -> Any:  # noqa: ARG001
    """The active model, and the other one, if there is one."""
    rows = [(row.name, row.fingerprint, row.state) for row in weights.kept_rows()]
    if not rows:
        model = weights.configured()
        rows = [(model.name, model.fingerprint, "active")]
    count = Film.objects.filter(searchable_run__isnull=False).count()
    return {
        "results": [
            {
                "name": name,
                "fingerprint": fingerprint,
                "state": state,
                "films": Film.objects.searchable(fingerprint).count(),
                "all_films": count,
            }
            for name, fingerprint, state in rows
        ]
    }
