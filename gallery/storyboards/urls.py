"""Storyboards and their rows."""

from django.urls import include, path

from gallery.storyboards import views

storyboard_patterns = [
    path("", views.storyboard_page, name="storyboard"),
    path("search/", views.search, name="search_storyboard"),
    path("save/", views.save, name="save_storyboard"),
    path("rename/", views.rename, name="rename_storyboard"),
    path("delete/", views.delete, name="delete_storyboard"),
    path("rows/<number:row_id>/search/", views.search_row, name="search_row"),
    path("rows/<number:row_id>/remove/", views.remove_row, name="remove_row"),
    path("rows/<number:row_id>/<slug:action>/", views.change_row, name="change_row"),
]

urlpatterns = [
    path("storyboards/", views.storyboard_list, name="storyboards"),
    path("storyboards/<unguessable:token>/", include(storyboard_patterns)),
]
