"""Serves subtitles as files."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from gallery.core.file_names import file_name
from gallery.transcripts import corrections
from gallery.transcripts.models import Subtitles
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.subtitles import cut, webvtt


@require_safe
def subtitles(
    request: HttpRequest,
    film_id: int,
    number: int,
    first: int | None = None,
    last: int | None = None,
) -> HttpResponse:
    """Serve subtitles of a film as WebVTT, for a player's <track>; `?save=1` as a download.

    For the clip of frames `first` up to but not including `last`, they begin at the clip's time 0.
    Hidden ones are served to those who see them in the admin.
    """
    row = get_object_or_404(Subtitles.objects.select_related("film"), pk=number, film=film_id)
    if row.is_hidden and not request.user.has_perm("gallery.view_film"):
        raise Http404
    lines = row.lines.order_by("start", "number")
    cues = [Cue(*line) for line in lines.values_list("start", "end", "text")]
    if first is not None and last is not None:
        clock = row.film.clock
        cues = cut(cues, clock.seconds(first), clock.seconds(last))
    text = webvtt(cues, corrections.describe_source(row))
    response = HttpResponse(text, content_type="text/vtt; charset=utf-8")
    # Who may see it can change, and so can the lines.
    response["Cache-Control"] = "private, no-cache"
    # The language comes last, where an upload of the file looks for it.
    source = [row.source] if row.source in Subtitles.RECOGNIZED else []
    name = ".".join([file_name(row.film.title), *source, row.language, "vtt"])
    response["Content-Disposition"] = content_disposition_header("save" in request.GET, name) or ""
    return response
