"""Addresses: the admin, the choice of language, and everything else in the gallery."""

from django.contrib import admin
from django.urls import include, path, re_path

from gallery.api.site import api, unknown

urlpatterns = [
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
    path("", include("gallery.urls")),
    path("api/v1/", api.urls),
    re_path("^api/", unknown),
]

handler404 = "gallery.views.service.not_found"
handler500 = "gallery.views.service.server_error"
