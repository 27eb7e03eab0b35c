"""Models in the admin: list them with their progress, switch and discard."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gallery import tasks
from gallery.clip import weights
from gallery.clip.models import EmbeddingModel
from gallery.core.errors import GalleryError, ModelError
from gallery.importing import model_choice, reembedding

State = EmbeddingModel.State


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(admin.ModelAdmin):
    """The models chosen with `manage.py reembed`. They are read-only except for actions."""

    list_display = ("name", "state", "progress", "error", "created_at")
    list_display_links = None
    ordering = ("pk",)
    actions = ("use", "discard", "retry")

    class Media:
        css = {"all": ("gallery/admin.css",)}

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Return False: models are added with `manage.py reembed MODEL`."""
        return False

    def has_delete_permission(
        self, _request: HttpRequest, _obj: EmbeddingModel | None = None
    ) -> bool:
        """Return False: deleting the row would leave the vectors behind."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show which model is active, and how to add another one."""
        if request.method == "GET":
            self._explain(request)
        return super().changelist_view(request, extra_context)

    def _explain(self, request: HttpRequest) -> None:
        try:
            difference = weights.describe_difference()
            if difference:
                messages.warning(request, difference)
            elif model_choice.active_row() is None:
                text = _(
                    "Searches use %(model)s, set by CLIP_MODEL. To move to another model without "
                    "downtime, run manage.py reembed MODEL"
                )
                messages.info(request, text % {"model": weights.configured().name})
        except (ModelError, OSError, ValueError) as error:
            messages.error(request, str(error))

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, row: EmbeddingModel) -> str:
        """Return the progress of its index."""
        if row.state == State.DISCARDED:
            return ""
        try:
            text = str(model_choice.progress_of(row))
        except ModelError as error:
            return str(error)
        loading = _("being loaded by the web servers")
        return f"{text}, {loading}" if row.is_next else text

    @admin.action(description=gettext_lazy("Use this model for searches"), permissions=["change"])
    def use(self, request: HttpRequest, chosen: QuerySet[EmbeddingModel]) -> None:
        """Switch to a model once all web servers have loaded it."""
        row = self._find_other(request, chosen)
        if row is None:
            return
        try:
            is_filled = model_choice.is_filled(row)
        except ModelError as error:
            messages.error(request, str(error))
            return
        if not is_filled:
            text = _(
                "%(model)s has not embedded all films yet, and the missing ones would not be "
                "found. To switch anyway, run manage.py reembed --switch --force"
            )
            messages.error(request, text % {"model": row.name})
            return
        model_choice.request_switch(row)
        text = _("Searches will use %(model)s as soon as all web servers have loaded it.")
        messages.success(request, text % {"model": row.name})

    @admin.action(
        description=gettext_lazy("Remove the vectors of this model"), permissions=["change"]
    )
    def discard(self, request: HttpRequest, chosen: QuerySet[EmbeddingModel]) -> None:
        """Discard a model that is not in use."""
        row = self._find_other(request, chosen)
        if row is None:
            return
        try:
            model_choice.discard(row)
        except GalleryError as error:
            messages.error(request, str(error))
            return
        tasks.queue_soon(tasks.reembed)
        text = _("The vectors of %(model)s are being removed.")
        messages.success(request, text % {"model": row.name})

    @admin.action(description=gettext_lazy("Retry failed films"), permissions=["change"])
    def retry(self, request: HttpRequest, _chosen: QuerySet[EmbeddingModel]) -> None:
        """Retry the films that were given up."""
        count = reembedding.retry()
        tasks.queue_soon(tasks.reembed)
        text = ngettext("Retrying %(n)d film.", "Retrying %(n)d films.", count)
        messages.success(request, text % {"n": count})

    def _find_other(
        self, request: HttpRequest, chosen: QuerySet[EmbeddingModel]
    ) -> EmbeddingModel | None:
        """Return the chosen model if it is not the active one, else show an error."""
        row = chosen.filter(state__in=[State.FILLING, State.PREVIOUS]).first()
        if row is None:
            messages.error(request, _("Choose a model that is not in use."))
        return row
