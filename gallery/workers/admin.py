"""The page of workers in the admin: what each does, what waits, and what failed."""

from collections.abc import Callable, Sequence

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from gallery import tasks
from gallery.workers import overview, records
from gallery.workers.models import Installation


@admin.register(Installation)
class WorkersAdmin(admin.ModelAdmin):
    """One page instead of a list: workers are not rows."""

    def get_urls(self) -> list[URLPattern]:
        """Serve the page, the part of it that is refreshed, and the two buttons of a worker."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.page_view), name="gallery_installation_changelist"),
            path("now/", view(self.now_view), name="gallery_workers_now"),
            path("pause/", view(require_POST(self.pause_view)), name="gallery_workers_pause"),
            path("resume/", view(require_POST(self.resume_view)), name="gallery_workers_resume"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Workers are started on their machines."""
        return False

    def has_change_permission(
        self,
        request: HttpRequest,
        obj: Installation | None = None,  # noqa: ARG002
    ) -> bool:
        """Return whether a user may pause workers: those who may change films."""
        return request.user.has_perm("gallery.change_film")

    def has_view_permission(
        self,
        request: HttpRequest,
        obj: Installation | None = None,  # noqa: ARG002
    ) -> bool:
        """Return whether a user may see the page: those who may see films in the admin."""
        return request.user.has_perm("gallery.view_film")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the admin's first page links to it."""
        return self.has_view_permission(request)

    # --- views --------------------------------------------------------------------------------

    def page_view(self, request: HttpRequest) -> HttpResponse:
        """Render the page."""
        return self._render(request, "admin/gallery/workers/page.html")

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Render the part of the page that changes."""
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
        """Have a worker take no more work; what it does now it finishes."""
        said = _("%(worker)s finishes what it is doing, and takes no more work.")
        return self._switch(request, tasks.pause_worker, said)

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Have a paused worker take work again."""
        return self._switch(request, tasks.resume_worker, _("%(worker)s takes work again."))

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
            messages.error(request, _("The worker does not answer. Please try again."))
        return redirect("admin:gallery_installation_changelist")
