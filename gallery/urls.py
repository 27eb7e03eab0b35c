"""The addresses of the gallery."""

from django.urls import include, path, register_converter
from django.urls.converters import IntConverter, StringConverter

from gallery.views import (
    account,
    boards,
    collecting,
    dialogue,
    exports,
    films,
    finding,
    playing,
    scenes,
    service,
    tokens,
)


class Number(IntConverter):
    """A number of a sensible length: others would not fit into the name of a file."""

    regex = "[0-9]{1,9}"


class Uid(StringConverter):
    """The random name of a film's folder."""

    regex = "[0-9a-f]{8,32}"


class Token(StringConverter):
    """The name of a picture that is searched with."""

    regex = "[0-9a-f]{32}"


class Animated(StringConverter):
    """A kind of picture that moves."""

    regex = "webp|gif"


class PictureKind(StringConverter):
    """A kind of picture that stands still."""

    regex = "jpg|png"


class Unguessable(StringConverter):
    """The name of a board, or of an export."""

    regex = "[A-Za-z0-9_-]{20,32}"


register_converter(Number, "number")
register_converter(Uid, "uid")
register_converter(Token, "token")
register_converter(Animated, "animated")
register_converter(PictureKind, "picture")
register_converter(Unguessable, "unguessable")

board_patterns = [
    path("", boards.board, name="board"),
    path("rename/", boards.rename, name="rename_board"),
    path("delete/", boards.delete, name="delete_board"),
    path("copy/", boards.copy, name="copy_board"),
    path("scenes/<number:scene_id>/remove/", collecting.remove, name="remove_scene"),
    path("scenes/<number:scene_id>/restore/", collecting.restore, name="restore_scene"),
    path("scenes/<number:scene_id>/note/", boards.note, name="note_scene"),
    path("scenes/<number:scene_id>/place/", boards.place, name="place_scene"),
    path("csv/", exports.table, name="board_csv"),
    path("edl/", exports.lists, name="board_edl"),
    path("otio/", exports.timeline, name="board_otio"),
    path("clips/", exports.ask, name="ask_export"),
    path("clips/<unguessable:export>/", exports.progress, name="export"),
    path("clips/<unguessable:export>/stop/", exports.stop, name="stop_export"),
    path("clips/<unguessable:export>.zip", exports.download, name="download_export"),
]

urlpatterns = [
    path("", finding.home, name="home"),
    path("picture/", finding.upload_picture, name="upload_picture"),
    path("films/", films.film_list, name="films"),
    path("films/<number:film_id>/", films.film, name="film"),
    path("films/<number:film_id>/lines/", films.film_lines, name="film_lines"),
    path("barcodes/<uid:uid>/<number:run>.jpg", films.barcode, name="barcode"),
    path("films/<number:film_id>/frames/<number:second>/", scenes.frame, name="frame"),
    path(
        "films/<number:film_id>/subtitles/<number:number>.vtt",
        dialogue.subtitles,
        name="subtitles",
    ),
    path("films/<number:film_id>/film", playing.whole_film, name="whole_film"),
    path(
        "films/<number:film_id>/clips/<number:first>-<number:last>.mp4", playing.clip, name="clip"
    ),
    path(
        "films/<number:film_id>/exact/<number:first>-<number:last>.mp4",
        playing.exact_clip,
        name="exact_clip",
    ),
    path(
        "films/<number:film_id>/exact/<number:first>-<number:last>.<animated:kind>",
        playing.animation,
        name="animation",
    ),
    path(
        "films/<number:film_id>/stills/<number:number>.<picture:kind>",
        playing.frame_still,
        name="frame_still",
    ),
    path("thumbs/<uid:uid>/<number:run>/<number:second>.jpg", scenes.thumbnail, name="thumbnail"),
    path("stills/<uid:uid>/<number:run>/<number:second>.jpg", scenes.still, name="still"),
    path("pictures/<token:token>.jpg", finding.probe_picture, name="probe_picture"),
    path("boards/", boards.board_list, name="boards"),
    path("boards/collect/", collecting.collect, name="collect"),
    path("boards/choose/", collecting.choose, name="choose_board"),
    path("boards/<unguessable:token>/", include(board_patterns)),
    path("account/tokens/", tokens.token_list, name="tokens"),
    path("account/tokens/<number:token_id>/revoke/", tokens.revoke, name="revoke_token"),
    path("login/", account.login, name="login"),
    path("logout/", account.logout, name="logout"),
    path("healthz", service.health, name="health"),
]
