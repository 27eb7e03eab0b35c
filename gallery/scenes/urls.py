"""URLs of scenes: pages, playback and downloads."""

from django.urls import include, path

from gallery.scenes import playing, views

film_patterns = [
    path("frames/<number:second>/", views.frame, name="frame"),
    path("tracks", views.subtitle_tracks, name="film_tracks"),
    path("clips/<number:first>-<number:last>/tracks", views.subtitle_tracks, name="clip_tracks"),
    path("film", playing.whole_film, name="whole_film"),
    path("clips/<number:first>-<number:last>.mp4", playing.clip, name="clip"),
    path("exact/<number:first>-<number:last>.mp4", playing.exact_clip, name="exact_clip"),
    path("exact/<number:first>-<number:last>.<animated:kind>", playing.animation, name="animation"),
    path("stills/<number:number>.<picture:kind>", playing.frame_still, name="frame_still"),
]

urlpatterns = [
    path("films/<number:film_id>/", include(film_patterns)),
    path("thumbs/<uid:uid>/<number:run>/<number:second>.jpg", views.thumbnail, name="thumbnail"),
    path(
        "thumbs/<uid:uid>/<number:run>/<number:second>-<width:width>.jpg",
        views.small_thumbnail,
        name="small_thumbnail",
    ),
    path("stills/<uid:uid>/<number:run>/<number:second>.jpg", views.still, name="still"),
]
