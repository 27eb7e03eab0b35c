"""Addresses: the admin, the choice of language, and everything else in the gallery."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
    path("", include("gallery.urls")),
]

handler404 = "gallery.views.service.not_found"
handler500 = "gallery.views.service.server_error"
