"""Addresses: the admin, the choice of language, and everything else in the gallery."""

from django.contrib import admin
from django.urls import include, path, re_path

from gallery.api import api, unknown

urlpatterns = [
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
    path("", include("gallery.urls")),
    path("api/v1/", api.urls),
    re_path("^api/", unknown),
]

handler404 = "gallery.site.views.not_found"
handler500 = "gallery.site.views.server_error"
