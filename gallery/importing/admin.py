"""Films in the admin: upload, progress, retry, and the frames of a film."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from gallery import tasks
from gallery.accounts.forms import AdminLoginForm
from gallery.films.models import Film
from gallery.films.shortcuts import thumbnail_url
from gallery.films.template_tags import clock, poster
from gallery.importing import intake, transitions
from gallery.importing.deletion import describe_deletion
from gallery.importing.film_filters import WhereFilter
from gallery.importing.film_names import guess_title
from gallery.importing.forms import AddFilmForm, ChangeFilmForm
from gallery.importing.notices import list_notices
from gallery.transcripts import admin as subtitle_admin
from gallery.transcripts.admin import SubtitlesInline
from gallery.transcripts.forms import SubtitleUpload
from gallery.transcripts.subtitle_import import belongs_to

FRAMES_PER_PAGE = 120
MAX_NAME_LENGTH = 255  # characters of a file's name

admin.site.site_header = gettext_lazy("Scene Search admin")
admin.site.site_title = gettext_lazy("Scene Search")
admin.site.login_form = AdminLoginForm
admin.site.index_title = gettext_lazy("What would you like to do?")


@admin.register(Film)
class FilmAdmin(admin.ModelAdmin):
    """Films, with the live progress of their import."""

    form = AddFilmForm
    list_display = (
        "picture",
        "title_and_year",
        "import_progress",
        "length",
        "frame_count",
        "created",
    )
    list_display_links = ("picture", "title_and_year")
    list_filter = ("state", WhereFilter, "year")
    search_fields = ("title", "original_name")
    actions = ("retry", "import_again", "read_text", "hear_speech")
    list_per_page = 50
    change_form_template = "admin/gallery/film/change_form.html"

    class Media:
        css = {"all": ("gallery/admin.css",)}
        js = (
            "django_htmx/htmx-2.min.js",
            forms.Script("gallery/films/film-list.js", type="module"),
        )

    def get_urls(self) -> list[URLPattern]:
        """Add the progress and the frames of one film, and the guess for the upload form."""
        return [
            path(
                "guess/",
                self.admin_site.admin_view(self.guess_view),
                name="gallery_film_guess",
            ),
            path(
                "<int:film_id>/retry/",
                self.admin_site.admin_view(require_POST(self.retry_view)),
                name="gallery_film_retry",
            ),
            path(
                "<int:film_id>/read-text/",
                self.admin_site.admin_view(require_POST(self.read_text_view)),
                name="gallery_film_read_text",
            ),
            path(
                "<int:film_id>/hear-speech/",
                self.admin_site.admin_view(require_POST(self.hear_speech_view)),
                name="gallery_film_hear_speech",
            ),
            path(
                "<int:film_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name="gallery_film_progress",
            ),
            path(
                "<int:film_id>/frames/",
                self.admin_site.admin_view(self.frames_view),
                name="gallery_film_frames",
            ),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Film]:
        """Annotate films with whether this user may import them again."""
        can_retry = Value(self.has_change_permission(request))
        return super().get_queryset(request).annotate(can_retry=can_retry)

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("thumbnail"))
    def picture(self, film: Film) -> SafeString | str:
        """Return the poster of the film."""
        if film.searchable_run is None:
            return ""
        return format_html(
            '<img class="film-poster" src="{}" width="640" height="360" alt="{}">',
            poster(film),
            film.title,
        )

    @admin.display(description=gettext_lazy("film"), ordering="title")
    def title_and_year(self, film: Film) -> str:
        """Return the title and year."""
        return str(film)

    @admin.display(description=gettext_lazy("import"), ordering="state")
    def import_progress(self, film: Film) -> SafeString:
        """Return a progress bar that polls for updates while the import runs."""
        return SafeString(render_to_string("admin/gallery/film/_progress.html", {"film": film}))

    @admin.display(description=gettext_lazy("length"), ordering="duration")
    def length(self, film: Film) -> str:
        """Return the duration as a clock time."""
        return clock(film.duration) if film.duration else ""

    # --- views --------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show notices above the list."""
        if request.method == "GET":
            for notice in list_notices():
                messages.warning(request, notice)
        return super().changelist_view(request, extra_context)

    def progress_view(self, request: HttpRequest, film_id: int) -> HttpResponse:
        """Render the progress bar of one film."""
        film = self.get_queryset(request).filter(pk=film_id).first()
        if film is None:
            return HttpResponse()
        return render(request, "admin/gallery/film/_progress.html", {"film": film})

    def retry_view(self, request: HttpRequest, film_id: int) -> HttpResponse:
        """Import a failed film again, and return to the page that asked for it."""
        film = get_object_or_404(Film, pk=film_id)
        if not self.has_change_permission(request, film):
            raise PermissionDenied
        self._restart(request, Film.objects.filter(pk=film_id), {Film.State.FAILED})
        address = request.headers.get("Referer", "")
        if not url_has_allowed_host_and_scheme(address, {request.get_host()}):
            address = reverse("admin:gallery_film_changelist")
        return redirect(address)

    def read_text_view(self, request: HttpRequest, film_id: int) -> HttpResponse:
        """Have the text in a film's pictures read again, and return to its page."""
        film = get_object_or_404(Film, pk=film_id)
        if not self.has_change_permission(request, film):
            raise PermissionDenied
        subtitle_admin.read_again(request, Film.objects.filter(pk=film_id))
        return redirect("admin:gallery_film_change", film_id)

    def hear_speech_view(self, request: HttpRequest, film_id: int) -> HttpResponse:
        """Have the speech of a film recognized again, and return to its page."""
        film = get_object_or_404(Film, pk=film_id)
        if not self.has_change_permission(request, film):
            raise PermissionDenied
        subtitle_admin.hear_again(request, Film.objects.filter(pk=film_id))
        return redirect("admin:gallery_film_change", film_id)

    def guess_view(self, request: HttpRequest) -> JsonResponse:
        """Return the title and year that the name of a chosen file suggests."""
        name = request.GET.get("name", "")[:MAX_NAME_LENGTH]
        return JsonResponse(dict(zip(("title", "year"), guess_title(name), strict=True)))

    def frames_view(self, request: HttpRequest, film_id: int) -> HttpResponse:
        """Show all frames of a film."""
        film = get_object_or_404(Film, pk=film_id)
        if not self.has_view_permission(request, film):
            raise Http404
        seconds: list[int] = []
        if film.searchable_run is not None:
            try:
                seconds = film.files.run(film.searchable_run).load().seconds.tolist()
            except FileNotFoundError:
                gone = _("This film's search data is missing. Re-import the film.")
                messages.error(request, gone)
        page = Paginator(seconds, FRAMES_PER_PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Frames of %(film)s") % {"film": film},
            "film": film,
            "page": page,
            "frames": [(second, thumbnail_url(film, second)) for second in page],
        }
        return render(request, "admin/gallery/film/frames.html", context)

    # --- adding and changing --------------------------------------------------------------------

    def get_form(
        self, request: HttpRequest, obj: Film | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form for adding or for changing a film."""
        kwargs["form"] = ChangeFilmForm if change else AddFilmForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Film | None = None) -> Any:
        """Return the fields for adding or for changing a film."""
        if obj is None:
            return ["file", "title", "year", "subtitles"]
        more = ["subtitles"] if self.has_change_permission(request, obj) else []
        if more and subtitle_admin.can_correct(obj):
            more.append("corrects")
        return ["title", "year", "reads_text", "hears_speech", "spoken_language", *more]

    def get_inlines(self, request: HttpRequest, obj: Film | None) -> list[Any]:  # noqa: ARG002
        """List the subtitles of an existing film."""
        return [SubtitlesInline] if obj else []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer to read text and to recognize speech again to those who may."""
        film = kwargs.get("obj")
        if film is not None and self.has_change_permission(request, film):
            context["may_read_text"] = subtitle_admin.can_read_again(film)
            context["may_hear_speech"] = subtitle_admin.can_hear_again(film)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self,
        request: HttpRequest,
        obj: Film,
        form: Any,
        change: bool,
    ) -> None:
        """Store a new film and queue its import, or save what was changed."""
        if change:
            obj.save(update_fields=["title", "year"])
            return
        # The admin continues with `obj`: make it the stored row.
        obj.__dict__.update(self._add_films(request, form).__dict__)

    def _add_films(self, request: HttpRequest, form: Any) -> Film:
        """Store the uploaded films, each with its subtitles. Return the first."""
        given = form.cleaned_data
        files, left = given["file"], list(given["subtitles"])
        names = [file.name or "" for file in request.FILES.getlist("file")]  # refused ones, too
        is_only = len(names) == 1
        for refused in form.refused:
            messages.error(request, _("Not uploaded: %(refused)s") % {"refused": refused})
        films = []
        for file in files:
            own = [one for one in left if is_only or belongs_to(one.name, file.name, names)]
            left = [one for one in left if one not in own]
            title, year = (given["title"], given["year"]) if is_only else ("", None)
            films.append(self._add_film(request, file, title, year, own))
        for one in left:
            said = _(
                "The subtitles %(name)s were not added: no film that was added has their name. You "
                "can add them on the film's page."
            )
            messages.error(request, said % {"name": one.name})
        return films[0]

    def _add_film(
        self,
        request: HttpRequest,
        file: Any,
        title: str,
        year: int | None,
        subtitles: Sequence[SubtitleUpload],
    ) -> Film:
        """Store a film and its subtitles, queue its import, and say so."""
        film, is_new = intake.add_film(
            file.path, file.sha256, name=file.name, title=title, year=year
        )
        said = (
            _("Uploaded: %(film)s. The file is now checked and imported.")
            if is_new
            else _("The missing file of %(film)s has been restored.")
        )
        messages.success(request, said % {"film": film})
        subtitle_admin.store_uploads(request, film, subtitles)
        tasks.queue_import(film)
        return film

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store new subtitles, once rows that they may replace were saved, and index all again.

        A new language changes how lines are searched. Switches come last: they remove rows.
        """
        super().save_related(request, form, formsets, change)
        if change:
            given = form.cleaned_data
            subtitle_admin.store_uploads(
                request, form.instance, given["subtitles"], given.get("corrects")
            )
            if "reads_text" in form.changed_data:
                subtitle_admin.switch_reading(form.instance)
            if {"hears_speech", "spoken_language"} & set(form.changed_data):
                subtitle_admin.switch_listening(form.instance)
        subtitle_admin.publish_later(form.instance)

    def response_add(
        self, request: HttpRequest, obj: Film, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Redirect to the list of films, or where the admin chose to.

        Django's message is left out: it says that the film was added before its file is checked.
        htmx would follow a redirect itself, and use up the messages, so it gets HX-Redirect.
        """
        address = reverse("admin:gallery_film_changelist")
        if "_addanother" in request.POST:
            address = reverse("admin:gallery_film_add")
        elif "_continue" in request.POST:
            address = post_url_continue or reverse("admin:gallery_film_change", args=[obj.pk])
        if request.htmx:  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(address)
        return redirect(address)

    def get_deleted_objects(
        self,
        objs: Any,
        request: HttpRequest,  # noqa: ARG002
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """List films and counts, but not the thousands of rows deleted with them."""
        return *describe_deletion(objs), set(), []

    # --- actions ----------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Retry failed imports"), permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Film]) -> None:
        """Import failed films again."""
        self._restart(request, queryset, {Film.State.FAILED})

    @admin.action(description=gettext_lazy("Re-import"), permissions=["change"])
    def import_again(self, request: HttpRequest, queryset: QuerySet[Film]) -> None:
        """Start a new import of films; ready ones stay searchable meanwhile."""
        self._restart(request, queryset, {Film.State.FAILED, Film.State.READY})

    @admin.action(
        description=gettext_lazy("Read text in the pictures again"), permissions=["change"]
    )
    def read_text(self, request: HttpRequest, queryset: QuerySet[Film]) -> None:
        """Read the text in the pictures of films again."""
        subtitle_admin.read_again(request, queryset)

    @admin.action(description=gettext_lazy("Recognise speech again"), permissions=["change"])
    def hear_speech(self, request: HttpRequest, queryset: QuerySet[Film]) -> None:
        """Recognize the speech of films again."""
        subtitle_admin.hear_again(request, queryset)

    def _restart(
        self, request: HttpRequest, films: QuerySet[Film], states: Collection[Film.State]
    ) -> None:
        """Import the films in these states again, and say so, or why there was none to import."""
        count = 0
        for film in films:
            if film.state in states and transitions.restart(film):
                tasks.queue_import(film)
                count += 1
        if count:
            said = ngettext("%(n)d film queued.", "%(n)d films queued.", count) % {"n": count}
        elif films.filter(state=Film.State.READY).exists():
            said = _(
                "Nothing to retry: no import has failed. “Re-import” imports ready films again."
            )
        else:
            said = _("No films queued: they are being imported already.")
        self.message_user(request, said, messages.SUCCESS if count else messages.WARNING)

    def view_on_site(self, obj: Film) -> str | None:
        """Return the URL of the film's page, once it is searchable."""
        return reverse("film", args=[obj.pk]) if obj.searchable_run is not None else None
