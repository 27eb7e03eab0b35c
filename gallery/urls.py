"""The URLs of all features."""

from django.urls import include, path

from gallery.core import converters  # noqa: F401 - registers the converters

FEATURES = (
    *("search", "films", "scenes", "transcripts", "boards", "storyboards", "accounts"),
    *("workers", "site"),
)
urlpatterns = [path("", include(f"gallery.{feature}.urls")) for feature in FEATURES]
