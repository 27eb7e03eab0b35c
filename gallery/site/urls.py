"""URL of the health check."""

from django.urls import path

from gallery.site import views

urlpatterns = [
    path("healthz", views.health, name="health"),
]
