"""The addresses of the gallery."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from gallery import views


class Hexadecimal(StringConverter):
    """A random name made of hexadecimal digits."""

    regex = "[0-9a-f]{8,64}"


register_converter(Hexadecimal, "hex")

urlpatterns = [
    path("", views.home, name="home"),
    path("picture/", views.upload_picture, name="upload_picture"),
    path("films/", views.film_list, name="films"),
    path("films/<int:film_id>/", views.film, name="film"),
    path("films/<int:film_id>/frames/<int:second>/", views.frame, name="frame"),
    path("films/<int:film_id>/scenes/<int:number>.mp4", views.scene, name="scene"),
    path("thumbs/<hex:uid>/<int:run>/<int:second>.jpg", views.thumbnail, name="thumbnail"),
    path("stills/<hex:uid>/<int:run>/<int:second>.jpg", views.still, name="still"),
    path("pictures/<hex:token>.jpg", views.probe_picture, name="probe_picture"),
    path("healthz", views.health, name="health"),
]
