"""URLs of the site."""

from django.contrib import admin
from django.urls import include, path, re_path

from gallery.api import api, not_found

urlpatterns = [
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
    path("", include("gallery.urls")),
    path("api/v1/", api.urls),
    re_path("^api/", not_found),
]

handler404 = "gallery.site.views.not_found"
handler500 = "gallery.site.views.server_error"
