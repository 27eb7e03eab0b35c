"""URLs of subtitle files."""

from django.urls import path

from gallery.transcripts import views

urlpatterns = [
    path("films/<number:film_id>/subtitles/<number:number>.vtt", views.subtitles, name="subtitles"),
]
