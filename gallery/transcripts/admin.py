"""Subtitles on the admin page of their film: list, add, correct, delete."""

from collections.abc import Callable, Sequence
from functools import partial

from celery import Task
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from gallery import tasks
from gallery.core.errors import DiskFull, SubtitlesError
from gallery.films.models import Film
from gallery.speech import model as speech_model
from gallery.transcripts import (
    corrections,
    dialogue,
    languages,
    reading_requests,
    subtitle_import,
)
from gallery.transcripts.forms import SubtitlesForm, SubtitlesFormSet, SubtitleUpload
from gallery.transcripts.models import Subtitles


class SubtitlesInline(admin.TabularInline):
    """The subtitles of a film, and what was read in its pictures.

    New ones are uploaded with the film's form.
    """

    model = Subtitles
    form = SubtitlesForm
    formset = SubtitlesFormSet
    fields = ("language", "about", "is_hidden")
    readonly_fields = ("about",)
    extra = 0
    verbose_name_plural = gettext_lazy("subtitles, text in the picture and speech")

    class Media:
        css = {"all": ("gallery/transcripts/subtitles.css",)}

    @admin.display(description=gettext_lazy("source"))
    def about(self, subtitles: Subtitles) -> SafeString:
        """The file name, source and number of lines; a warning if it may be another film's."""
        late = subtitle_import.late_lines(subtitles)
        return format_html(
            '<p class="subtitles-name">{}</p><p class="film-facts">{}<a href="{}">{}</a></p>{}',
            subtitles.original_name or capfirst(subtitles.get_source_display()),
            _describe_source(subtitles),
            reverse("subtitles", args=[subtitles.film_id, subtitles.pk]),
            dialogue.format_line_count(subtitles),
            format_html('<p class="film-error">{}</p>', _late_warning(late)) if late else "",
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subtitles]:
        """Leave out what was read and deleted."""
        deleted = Q(source__in=Subtitles.RECOGNIZED, line_count=0)
        return super().get_queryset(request).exclude(deleted)

    # Permissions for subtitles are those for their film.

    def has_add_permission(self, *_args: object) -> bool:
        """Deny: subtitles are added by uploading files."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Film | None = None) -> bool:
        """Return the permission to view the film."""
        return self._film_admin().has_view_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Film | None = None) -> bool:
        """Return the permission to change the film."""
        return self._film_admin().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Film | None = None) -> bool:
        """Return the permission to change the film."""
        return self._film_admin().has_change_permission(request, obj)

    def _film_admin(self) -> admin.ModelAdmin:
        return self.admin_site.get_model_admin(Film)


def _describe_source(row: Subtitles) -> str:
    """Return what the name does not say already, in front of the number of lines."""
    if row.is_recognized and not row.is_heard:
        return _("read by machine") + " · "
    return f"{row.get_source_display()} · " if row.original_name else ""


def _late_warning(lines: int) -> str:
    said = ngettext(
        "%(n)d line starts after the end of the film. Are these subtitles for this film?",
        "%(n)d lines start after the end of the film. Are these subtitles for this film?",
        lines,
    )
    return said % {"n": lines}


def store_uploads(
    request: HttpRequest,
    film: Film,
    uploads: Sequence[SubtitleUpload],
    corrects: Subtitles | None = None,
) -> None:
    """Store the files sent with a form, and add a message about each.

    `corrects` is what they replace, of what a machine read or heard in the film.
    """
    for file in uploads:
        if file.error:
            _report_refused(request, file.name, file.error)
            continue
        try:
            row, is_new = subtitle_import.add_subtitles(
                film, file.name, file.data, corrects=corrects
            )
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
            _report_refused(request, file.name, error)
            continue
        about = {
            "name": file.name,
            "language": languages.name(row.language),
            "n": row.line_count,
        }
        if row.is_corrected:
            said = ngettext(
                "Subtitles %(name)s: %(n)d line, which replaces: %(source)s.",
                "Subtitles %(name)s: %(n)d lines, which replace: %(source)s.",
                row.line_count,
            )
            messages.success(request, said % {**about, "source": row.get_source_display()})
        elif is_new:
            said = ngettext(
                "Subtitles %(name)s: %(n)d line, %(language)s.",
                "Subtitles %(name)s: %(n)d lines, %(language)s.",
                row.line_count,
            )
            messages.success(request, said % about)
        else:
            messages.info(request, _("The subtitles %(name)s were already added.") % about)


def _report_refused(request: HttpRequest, name: str, error: object) -> None:
    said = _(
        "The subtitles %(name)s were not added: %(error)s You can add others on the film's page."
    )
    messages.error(request, said % {"name": name, "error": error})


def can_correct(film: Film) -> bool:
    """Return whether a machine read or heard something in a film."""
    return corrections.list_correctable(film).exists()


def can_read_again(film: Film) -> bool:
    """Return whether the text in a film's pictures can be read."""
    return settings.READ_TEXT and film.reads_text and film.searchable_run is not None


def read_again(request: HttpRequest, films: QuerySet[Film]) -> None:
    """Have the text in films' pictures read again, and say so, or why not."""
    count = _repeat(films, can_read_again, reading_requests.read_again, tasks.read_text)
    if count:
        said = ngettext(
            "The text in the pictures of %(n)d film will be read again. Until then, what was read "
            "before is searched. Corrections stay in use.",
            "The text in the pictures of %(n)d films will be read again. Until then, what was read "
            "before is searched. Corrections stay in use.",
            count,
        )
        messages.success(request, said % {"n": count})
    elif not settings.READ_TEXT:
        messages.warning(request, _("Reading is off for all films (READ_TEXT)."))
    else:
        said = _("Nothing to read: reading is off for these films, or they are not ready.")
        messages.warning(request, said)


def switch_reading(film: Film) -> None:
    """Begin or stop reading the text in a film's pictures, as its form was saved."""
    reading_requests.switch_reading(film, is_on=film.reads_text)
    transaction.on_commit(partial(tasks.queue_soon, tasks.read_text))


def can_hear_again(film: Film) -> bool:
    """Return whether the speech of a film can be recognized."""
    return speech_model.is_ready() and film.hears_speech and film.searchable_run is not None


def hear_again(request: HttpRequest, films: QuerySet[Film]) -> None:
    """Have the speech of films recognized again, and say so, or why not."""
    count = _repeat(films, can_hear_again, reading_requests.hear_again, tasks.hear_speech)
    if count:
        said = ngettext(
            "The speech of %(n)d film will be recognised again. Until then, what was recognised "
            "before is searched. Corrections stay in use.",
            "The speech of %(n)d films will be recognised again. Until then, what was recognised "
            "before is searched. Corrections stay in use.",
            count,
        )
        messages.success(request, said % {"n": count})
    elif not speech_model.is_ready():
        messages.warning(request, _("Speech recognition is off for all films (SPEECH_MODEL)."))
    else:
        said = _("Nothing to do: speech recognition is off for these films, or they are not ready.")
        messages.warning(request, said)


def _repeat(
    films: QuerySet[Film],
    can_repeat: Callable[[Film], bool],
    repeat: Callable[[Film], None],
    task: Task,
) -> int:
    """Have something done again in films that allow it. Return in how many."""
    chosen = [film for film in films if can_repeat(film)]
    with transaction.atomic():
        for film in chosen:
            repeat(film)
        transaction.on_commit(partial(tasks.queue_soon, task))
    return len(chosen)


def switch_listening(film: Film) -> None:
    """Begin or stop recognizing the speech of a film, as its form was saved."""
    Film.objects.filter(pk=film.pk).update(spoken_language=film.spoken_language)
    reading_requests.switch_listening(film, is_on=film.hears_speech)
    transaction.on_commit(partial(tasks.queue_soon, tasks.hear_speech))


def publish_later(film: Film) -> None:
    """Update the index after a film's page was saved, once that is committed."""
    transaction.on_commit(partial(subtitle_import.publish, film.pk))
