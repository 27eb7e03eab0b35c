"""Subtitles in the admin, on the page of their film: listed, added, put right, deleted."""

from collections.abc import Sequence
from functools import partial

from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gallery.core.errors import DiskFull, SubtitlesError
from gallery.films.models import Film
from gallery.transcripts import languages, subtitle_import
from gallery.transcripts.forms import SubtitlesForm, SubtitlesFormSet, SubtitleUpload
from gallery.transcripts.models import Subtitles


class SubtitlesInline(admin.TabularInline):
    """The subtitles of a film. New ones come as files, with the film's own form."""

    model = Subtitles
    form = SubtitlesForm
    formset = SubtitlesFormSet
    fields = ("language", "about")
    readonly_fields = ("about",)
    extra = 0

    class Media:
        css = {"all": ("gallery/subtitles.css",)}

    @admin.display(description=gettext_lazy("file or track"))
    def about(self, subtitles: Subtitles) -> SafeString:
        """Its name, where it is from, its lines; and whether they seem to be another film's."""
        said = ngettext("%(n)d line", "%(n)d lines", subtitles.line_count)
        late = subtitle_import.late_lines(subtitles)
        return format_html(
            '<p class="subtitles-name">{}</p><p class="film-facts">{} · <a href="{}">{}</a></p>{}',
            subtitles.original_name,
            subtitles.get_source_display(),
            reverse("subtitles", args=[subtitles.film_id, subtitles.pk]),
            said % {"n": subtitles.line_count},
            format_html('<p class="film-error">{}</p>', _late(late)) if late else "",
        )

    # Who may change a film may change its subtitles.

    def has_add_permission(self, *_args: object) -> bool:
        """They are added by sending files."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Film | None = None) -> bool:
        """As for the film."""
        return self._film_admin().has_view_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Film | None = None) -> bool:
        """As for the film."""
        return self._film_admin().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Film | None = None) -> bool:
        """As for changing the film."""
        return self._film_admin().has_change_permission(request, obj)

    def _film_admin(self) -> admin.ModelAdmin:
        return self.admin_site.get_model_admin(Film)


def _late(lines: int) -> str:
    said = ngettext(
        "%(n)d line starts after the end of the film. Are these subtitles for this film?",
        "%(n)d lines start after the end of the film. Are these subtitles for this film?",
        lines,
    )
    return said % {"n": lines}


def keep(request: HttpRequest, film: Film, sent: Sequence[SubtitleUpload]) -> None:
    """Keep the files that came with a form, and say what became of each."""
    for file in sent:
        try:
            row, is_new = subtitle_import.add_subtitles(film, file.name, file.data)
        except DiskFull:
            messages.error(
                request,
                _(
                    "The disk is full, so the subtitles %(name)s were not saved. Free some "
                    "space on the film disk, then add them again."
                )
                % {"name": file.name},
            )
            continue
        except SubtitlesError as error:
            about = {"name": file.name, "error": error}
            messages.error(request, _("Subtitles %(name)s: %(error)s") % about)
            continue
        about = {
            "name": file.name,
            "language": languages.name(row.language),
            "n": row.line_count,
        }
        if is_new:
            said = ngettext(
                "Subtitles %(name)s: %(n)d line, %(language)s.",
                "Subtitles %(name)s: %(n)d lines, %(language)s.",
                row.line_count,
            )
            messages.success(request, said % about)
        else:
            messages.info(request, _("The subtitles %(name)s were already added.") % about)


def publish_later(film: Film) -> None:
    """Bring what was changed on a film's page into the index once it is committed."""
    transaction.on_commit(partial(subtitle_import.publish, film.pk))
