"""The placeholder for a thumbnail that is missing from the media store."""

from django.core.cache import cache
from django.http import HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from gallery import tasks
from gallery.films.models import Film

RETRY_SECONDS = 60
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360" viewBox="0 0 640 360">
<rect width="640" height="360" fill="#666"/>
<text x="320" y="186" fill="#fff" font-family="sans-serif" font-size="26"
 text-anchor="middle">{}</text>
</svg>"""


def missing_picture(film: Film) -> HttpResponse:
    """Return an uncached placeholder, and queue the missing thumbnails to be made again."""
    if film.has_source:
        words = _("This picture is being restored.")
        _queue_remake(film)
    elif film.is_away:
        words = _("This picture is restored when the film file is back.")
    else:
        words = _("This picture and the film file are missing.")
    answer = HttpResponse(format_html(DRAWING, words), content_type="image/svg+xml", status=503)
    answer["Cache-Control"] = "no-store"
    answer["Retry-After"] = str(RETRY_SECONDS)
    return answer


def _queue_remake(film: Film) -> None:
    """Queue the film, at most once a minute: one page requests many thumbnails."""
    try:
        is_first = cache.add(f"remake-{film.pk}", True, RETRY_SECONDS)
    except RedisError:
        return
    if is_first:
        tasks.queue_reimport(film)
