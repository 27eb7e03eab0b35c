"""What the admin says before films are deleted."""

from collections.abc import Iterable

from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from gallery.boards.models import BoardScene
from gallery.films.models import Film


def describe_deletion(films: Iterable[Film]) -> tuple[list[str], dict[str, int]]:
    """Return a line for each film that says what happens to its file, and counts by kind."""
    chosen = list(films)
    lines = [
        (
            _("%(film)s (its file in the library folder stays, and will be ignored)")
            if film.files.is_link
            else _("%(film)s (its uploaded file is deleted)")
        )
        % {"film": film}
        for film in chosen
    ]
    rows = Film.objects.filter(pk__in=[film.pk for film in chosen])
    counts = {
        _("films"): len(chosen),
        _("shots"): rows.aggregate(shots=Sum("shot_count"))["shots"] or 0,
        _("subtitles"): rows.aggregate(subtitles=Count("subtitles"))["subtitles"],
        _("scenes on boards"): BoardScene.objects.filter(film__in=rows).count(),
    }
    return lines, {kind: count for kind, count in counts.items() if count}
