"""The addresses of all features."""

from django.urls import include, path

from gallery.core import converters  # noqa: F401 - importing is registering

FEATURES = ("search", "films", "scenes", "transcripts", "boards", "accounts", "site")
urlpatterns = [path("", include(f"gallery.{feature}.urls")) for feature in FEATURES]
