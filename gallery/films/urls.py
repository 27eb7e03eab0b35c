"""URLs of the list of films, and of the pages of a film."""

from django.urls import path

from gallery.films import views

urlpatterns = [
    path("films/", views.film_list, name="films"),
    path("films/imports/", views.imports, name="imports"),
    path("films/<number:film_id>/", views.film, name="film"),
    path("films/<number:film_id>/activity/", views.film_activity, name="film_activity"),
    path("films/<number:film_id>/lines/", views.film_lines, name="film_lines"),
    path("barcodes/<uid:uid>/<number:run>.jpg", views.barcode, name="barcode"),
]
