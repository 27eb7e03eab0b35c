"""Library folders in the admin: progress, pause and resume, failures, retry."""

from itertools import islice
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from gallery import tasks
from gallery.library import folders, paths
from gallery.library.failures import list_failures, retry_failed
from gallery.library.folders import FolderError
from gallery.library.models import LibraryFolder
from gallery.library.progress import measure_progress

MAX_LISTED_FAILURES = 200


class LibraryFolderForm(forms.ModelForm):
    """The path of a folder, and how its films are imported."""

    class Meta:
        model = LibraryFolder
        fields = ("path", "ignored", "order", "is_paused")
        widgets = {
            "path": forms.TextInput(attrs={"class": "vLargeTextField", "spellcheck": "false"}),
            "ignored": forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        texts = {
            "path": _(
                "The absolute path of a folder on the server. Films in it and in its sub-folders "
                "are imported in place; they are read but never changed. Every machine with a "
                "worker needs the folder at the same path."
            ),
            "ignored": _(
                "Files and folders to skip, one pattern per line as in .gitignore, such as "
                "Sample/ or *-trailer.*"
            ),
            "order": _("Which films are imported first."),
            "is_paused": _(
                "No new imports start. Running ones finish, and the folder is still scanned."
            ),
        }
        for name, text in texts.items():
            if name in self.fields:  # users with view permission only get no fields
                self.fields[name].help_text = text

    def clean_path(self) -> str:
        """Return the path as it is stored. Refuse one that cannot be a library folder."""
        stored = folders.normalize(self.cleaned_data["path"])
        if stored == self.instance.path:
            return stored
        try:
            folders.check_folder(stored, self.instance)
        except FolderError as error:
            raise ValidationError(str(error)) from error
        return stored

    def clean_ignored(self) -> str:
        """Refuse invalid patterns."""
        given: str = self.cleaned_data["ignored"]
        try:
            folders.check_patterns(given)
        except FolderError as error:
            raise ValidationError(str(error)) from error
        return given


@admin.register(LibraryFolder)
class LibraryFolderAdmin(admin.ModelAdmin):
    """Library folders, with the live progress of their imports."""

    form = LibraryFolderForm
    list_display = ("path_shown", "progress", "order", "last_scan")
    actions = ("scan_now", "pause", "resume", "retry")
    change_form_template = "admin/gallery/libraryfolder/change_form.html"
    change_list_template = "admin/gallery/libraryfolder/change_list.html"

    class Media:
        css = {"all": ("gallery/admin.css",)}
        js = ("django_htmx/htmx-2.min.js",)

    def get_urls(self) -> list[URLPattern]:
        """Add the views for the progress of a folder, for retrying, pausing and resuming."""
        return [
            path(
                "<int:folder_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name="gallery_libraryfolder_progress",
            ),
            path(
                "<int:folder_id>/retry/",
                self.admin_site.admin_view(require_POST(self.retry_view)),
                name="gallery_libraryfolder_retry",
            ),
            path(
                "<int:folder_id>/pause/",
                self.admin_site.admin_view(require_POST(self.pause_view)),
                {"is_paused": True},
                name="gallery_libraryfolder_pause",
            ),
            path(
                "<int:folder_id>/resume/",
                self.admin_site.admin_view(require_POST(self.pause_view)),
                {"is_paused": False},
                name="gallery_libraryfolder_resume",
            ),
            *super().get_urls(),
        ]

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("folder"), ordering="path")
    def path_shown(self, folder: LibraryFolder) -> str:
        """Return the path in a readable form."""
        return str(folder)

    @admin.display(description=gettext_lazy("import"))
    def progress(self, folder: LibraryFolder) -> SafeString:
        """Return the progress, which polls for updates during imports."""
        return SafeString(
            render_to_string(
                "admin/gallery/libraryfolder/_progress.html", _progress_context(folder)
            )
        )

    @admin.display(description=gettext_lazy("last scan"), ordering="scanned_at")
    def last_scan(self, folder: LibraryFolder) -> SafeString:
        """Return the time and the duration of the last scan."""
        return SafeString(
            render_to_string("admin/gallery/libraryfolder/_last_scan.html", {"folder": folder})
        )

    # --- views --------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the progress of the whole library above the list if there are several folders."""
        context = extra_context or {}
        if LibraryFolder.objects.count() > 1:
            context |= {"whole_library": measure_progress()}
        return super().changelist_view(request, context)

    def progress_view(self, request: HttpRequest, folder_id: int) -> HttpResponse:
        """Render the progress of one folder."""
        folder = LibraryFolder.objects.filter(pk=folder_id).first()
        if folder is None:
            return HttpResponse()
        if not self.has_view_permission(request, folder):
            raise Http404
        context = _progress_context(folder)
        return render(request, "admin/gallery/libraryfolder/_progress.html", context)

    def retry_view(self, request: HttpRequest, folder_id: int) -> HttpResponse:
        """Retry all failures of a folder, and return to its page."""
        folder = get_object_or_404(LibraryFolder, pk=folder_id)
        if not self.has_change_permission(request, folder):
            raise PermissionDenied
        self._retry(request, [folder])
        return redirect(reverse("admin:gallery_libraryfolder_change", args=[folder_id]))

    def pause_view(self, request: HttpRequest, folder_id: int, *, is_paused: bool) -> HttpResponse:
        """Pause or resume the imports of a folder, and return to its page."""
        folder = get_object_or_404(LibraryFolder, pk=folder_id)
        if not self.has_change_permission(request, folder):
            raise PermissionDenied
        change = self.pause if is_paused else self.resume
        change(request, LibraryFolder.objects.filter(pk=folder_id))
        return redirect(reverse("admin:gallery_libraryfolder_change", args=[folder_id]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the progress and the failures of a folder."""
        folder = kwargs.get("obj")
        if folder is not None:
            listed = list(islice(list_failures(folder), MAX_LISTED_FAILURES + 1))
            context |= {
                **_progress_context(folder),
                "failures": listed[:MAX_LISTED_FAILURES],
                "has_more_failures": len(listed) > MAX_LISTED_FAILURES,
                "unreadable": [
                    (paths.readable(name), why)
                    for name, why in folder.unreadable.items()
                    if name != "."  # the folder itself: its progress says so
                ],
                "may_change": self.has_change_permission(request, folder),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: LibraryFolder, form: Any, change: bool) -> None:
        """Save a folder and queue its scan."""
        super().save_model(request, obj, form, change)
        tasks.queue_scan(obj.pk)

    # --- deletion -----------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: LibraryFolder | None = None) -> bool:
        """Refuse to remove folders in LIBRARY_DIRS, which would be added again."""
        if obj is not None and folders.is_configured(obj):
            return False
        return super().has_delete_permission(request, obj)

    def get_deleted_objects(
        self,
        objs: Any,
        request: HttpRequest,  # noqa: ARG002
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """List the folders, but not the thousands of file rows deleted with them."""
        configured = [str(folder) for folder in objs if folders.is_configured(folder)]
        said = _("%(path)s (its films stay, and no file is deleted)")
        return [said % {"path": folder} for folder in objs], {}, set(), configured

    # --- actions ------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Scan now"), permissions=["change"])
    def scan_now(self, request: HttpRequest, queryset: QuerySet[LibraryFolder]) -> None:
        """Queue scans of folders."""
        for folder in queryset:
            tasks.queue_scan(folder.pk)
        self.message_user(request, _("Scans queued."), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Pause imports"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[LibraryFolder]) -> None:
        """Start no more imports from folders."""
        queryset.update(is_paused=True)
        self.message_user(request, _("Paused. Running imports will finish."), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Resume imports"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[LibraryFolder]) -> None:
        """Start imports from folders again."""
        queryset.update(is_paused=False)
        tasks.start_library_imports()
        self.message_user(request, _("Resumed."), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Retry all that failed"), permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[LibraryFolder]) -> None:
        """Retry all failures of folders."""
        self._retry(request, list(queryset))

    def _retry(self, request: HttpRequest, chosen: list[LibraryFolder]) -> None:
        count = sum(retry_failed(folder, tasks.queue_import) for folder in chosen)
        tasks.start_library_imports()
        if count:
            said = ngettext("Retrying %(n)d file.", "Retrying %(n)d files.", count)
            self.message_user(request, said % {"n": count}, messages.SUCCESS)
        else:
            self.message_user(request, _("Nothing has failed."), messages.WARNING)


def _progress_context(folder: LibraryFolder) -> dict[str, Any]:
    return {"folder": folder, "p": measure_progress(folder)}
