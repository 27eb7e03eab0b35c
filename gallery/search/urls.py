"""URLs of the search page and of uploaded pictures."""

from django.urls import path

from gallery.search import views

urlpatterns = [
    path("", views.home, name="home"),
    path("picture/", views.upload_picture, name="upload_picture"),
    path("pictures/<token:token>.jpg", views.probe_picture, name="probe_picture"),
]
