"""The URL of the metrics."""

from django.urls import path

from gallery.workers import views

urlpatterns = [
    path("metrics", views.metrics, name="metrics"),
]
