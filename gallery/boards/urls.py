"""Boards, their scenes, and their exports."""

from django.urls import include, path

from gallery.boards import collect_views, export_views, selection_views, views

board_patterns = [
    path("", views.board_page, name="board"),
    path("rename/", views.rename, name="rename_board"),
    path("delete/", views.delete, name="delete_board"),
    path("copy/", views.copy, name="copy_board"),
    path("scenes/<number:scene_id>/remove/", collect_views.remove, name="remove_scene"),
    path("scenes/<number:scene_id>/restore/", collect_views.restore, name="restore_scene"),
    path("scenes/<number:scene_id>/note/", views.note, name="note_scene"),
    path("scenes/<number:scene_id>/place/", views.place, name="place_scene"),
    path("csv/", export_views.table, name="board_csv"),
    path("edl/", export_views.lists, name="board_edl"),
    path("otio/", export_views.timeline, name="board_otio"),
    path("clips/", export_views.request_export, name="ask_export"),
    path("film/", export_views.export_film, name="export_film"),
    path("exports/<unguessable:export>/", export_views.progress, name="export"),
    path("exports/<unguessable:export>/stop/", export_views.stop, name="stop_export"),
    path("exports/<unguessable:export>/file/", export_views.download, name="download_export"),
]

urlpatterns = [
    path("boards/", views.board_list, name="boards"),
    path("boards/collect/", collect_views.collect, name="collect"),
    path("boards/choose/", collect_views.choose, name="choose_board"),
    path("boards/selection/", selection_views.collect, name="collect_selection"),
    path("boards/selection/choose/", selection_views.choose, name="choose_for_selection"),
    path("boards/selection/download/", selection_views.download, name="download_selection"),
    path("boards/<unguessable:token>/", include(board_patterns)),
]
