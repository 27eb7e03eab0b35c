"""The Workers page in the admin: current tasks, queues and failures."""

from collections.abc import Callable, Sequence

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from gallery.workers import control, overview, records
from gallery.workers.models import Installation


@admin.register(Installation)
class WorkersAdmin(admin.ModelAdmin):
    """A single page instead of a list, because workers are not rows."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page, its live part, and the actions of its buttons."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.page_view), name="gallery_installation_changelist"),
            path("now/", view(self.now_view), name="gallery_workers_now"),
            path("pause/", view(require_POST(self.pause_view)), name="gallery_workers_pause"),
            path("resume/", view(require_POST(self.resume_view)), name="gallery_workers_resume"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Return False: workers are started on their machines."""
        return False

    def has_change_permission(
        self,
        request: HttpRequest,
        obj: Installation | None = None,  # noqa: ARG002
    ) -> bool:
        """Allow users who may change films to pause workers."""
        return request.user.has_perm("gallery.change_film")

    def has_view_permission(
        self,
        request: HttpRequest,
        obj: Installation | None = None,  # noqa: ARG002
    ) -> bool:
        """Allow users who may view films in the admin to view the page."""
        return request.user.has_perm("gallery.view_film")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the admin index links to the page."""
        return self.has_view_permission(request)

    # --- views --------------------------------------------------------------------------------

    def page_view(self, request: HttpRequest) -> HttpResponse:
        """Render the page."""
        return self._render(request, "admin/gallery/workers/page.html")

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Render the live part of the page."""
        return self._render(request, "admin/gallery/workers/_now.html")

    def _render(self, request: HttpRequest, template: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = records.read_all()
        workers = overview.list_workers(found)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Workers"),
            "workers": workers,
            "speed": sum(worker.speed for worker in workers),
            "queues": overview.list_queues(found),
            "failures": overview.list_failures(),
            "may_change": self.has_change_permission(request),
        }
        return TemplateResponse(request, template, context)

    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Pause a worker: it finishes its current tasks and takes no more."""
        said = _("%(worker)s will finish its current tasks and take no more.")
        return self._switch(request, control.pause_worker, said)

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Resume a paused worker."""
        return self._switch(request, control.resume_worker, _("%(worker)s is taking tasks again."))

    def _switch(
        self, request: HttpRequest, switch: Callable[[str, Sequence[str]], bool], said: str
    ) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        name = request.POST.get("worker", "")
        record = next((one for one in records.read_all() if one.name == name), None)
        if record is None:
            messages.error(request, _("This worker is gone."))
        elif switch(name, record.own_queues):
            messages.success(request, said % {"worker": name})
        else:
            messages.error(request, _("The worker does not respond. Please try again."))
        return redirect("admin:gallery_installation_changelist")
