"""Models in the admin: which ones there are, how far they are filled, switch and discard."""

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
    """The models that were chosen with `manage.py reembed`; only their actions change them."""

    list_display = ("name", "state", "progress", "error", "created_at")
    list_display_links = None
    ordering = ("pk",)
    actions = ("use", "discard", "retry")

    class Media:
        css = {"all": ("gallery/admin.css",)}

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Return False: `manage.py reembed MODEL` adds them."""
        return False

    def has_delete_permission(
        self, _request: HttpRequest, _obj: EmbeddingModel | None = None
    ) -> bool:
        """Return False: their vectors would be left."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say which model is in use, and how another one is added."""
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
                    "Searches use %(model)s, from CLIP_MODEL. Another model can be filled beside "
                    "it: manage.py reembed MODEL"
                )
                messages.info(request, text % {"model": weights.configured().name})
        except (ModelError, OSError, ValueError) as error:
            messages.error(request, str(error))

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, row: EmbeddingModel) -> str:
        """Return how far its index is filled."""
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
        """Switch to a model, once it is loaded everywhere."""
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
                "%(model)s has not embedded all films yet: those that are missing would not be "
                "found. To switch all the same: manage.py reembed --switch --force"
            )
            messages.error(request, text % {"model": row.name})
            return
        model_choice.request_switch(row)
        text = _("Searches use %(model)s as soon as all web servers have loaded it.")
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

    @admin.action(
        description=gettext_lazy("Try again the films that failed"), permissions=["change"]
    )
    def retry(self, request: HttpRequest, _chosen: QuerySet[EmbeddingModel]) -> None:
        """Try again the films at which it failed too often."""
        count = reembedding.retry()
        tasks.queue_soon(tasks.reembed)
        text = ngettext("%(n)d film is tried again.", "%(n)d films are tried again.", count)
        messages.success(request, text % {"n": count})

    def _find_other(
        self, request: HttpRequest, chosen: QuerySet[EmbeddingModel]
    ) -> EmbeddingModel | None:
        """Return the chosen model, if it is one that is not in use."""
        row = chosen.filter(state__in=[State.FILLING, State.PREVIOUS]).first()
        if row is None:
            messages.error(request, _("Choose a model that is not in use."))
        return row
