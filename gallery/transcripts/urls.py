"""URLs of subtitle files."""

from django.urls import path

from gallery.transcripts import views

urlpatterns = [
    path("films/<number:film_id>/subtitles/<number:number>.vtt", views.subtitles, name="subtitles"),
    path(
        "films/<number:film_id>/subtitles/<number:number>/<number:first>-<number:last>.vtt",
        views.subtitles,
        name="clip_subtitles",
    ),
]
