"""What can go wrong, in words that a person can act on.

The message of each is a whole sentence or two for the person concerned, already translatable.
"""

from http import HTTPStatus

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext


class GalleryError(Exception):
    """Something a user or an admin should read. `str(error)` is the message."""


class FilmError(GalleryError):
    """This film cannot be imported; trying the same file again will not help."""


class RetryableError(GalleryError):
    """A step of an import failed, and the same step may succeed: it is tried a few times."""


class FFmpegStalled(RetryableError):  # noqa: N818 - the name says what is the matter
    """FFmpeg was ended because it made no progress."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            _(
                "FFmpeg made no progress for %(seconds)d seconds and was stopped. The disk may "
                "not be responding, or the film may be damaged."
            )
            % {"seconds": seconds}
        )


class SubtitlesError(GalleryError):
    """These subtitles cannot be used; another file may be."""


class QueryError(GalleryError):
    """This search cannot be done as asked."""


class BoardError(GalleryError):
    """This cannot be done with a board."""


class IndexUnavailable(GalleryError):  # noqa: N818 - the name says what is the matter
    """The index cannot answer now."""

    def __init__(self, message: str | Promise | None = None) -> None:
        super().__init__(
            message
            or _(
                "The search index cannot be reached. Nothing is lost; please try again in a "
                "moment. If this continues, an administrator should check that Redis is "
                "running."
            )
        )


class IndexWarmingUp(IndexUnavailable):
    """Redis is still loading its data or building its index."""

    def __init__(self) -> None:
        super().__init__(
            _("The search index is warming up after a restart. Please try again in a moment.")
        )


class IndexMissing(IndexUnavailable):
    """Redis answers, but the index is not there: a new or emptied server, for a few seconds."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The search index was lost and is being rebuilt from the stored films. Nothing "
                "else is lost. Please try again in a minute."
            )
        )


class NoSearchCommands(IndexUnavailable):
    """The server at REDIS_URL is a Redis without the search commands."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The Redis server at REDIS_URL has no search commands (FT.SEARCH). Use Redis 8 or "
                "Redis Stack, or leave REDIS_URL empty to use the embedded server."
            )
        )


class ModelError(GalleryError):
    """The model cannot be loaded or used."""


class DamagedModel(ModelError):  # noqa: N818 - the name says what is the matter
    """The files of a converted model are damaged or gone; it is converted again."""

    def __init__(self) -> None:
        super().__init__(
            _("The converted model is damaged and is being rebuilt. Please try again in a minute.")
        )


class DiskFull(GalleryError):  # noqa: N818
    """No space is left to write."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The disk is full, so this was not saved. Search still works. Ask an "
                "administrator to free some space, then try again."
            )
        )


class ClipBusy(GalleryError):  # noqa: N818 - the name says what is the matter
    """Too many clips are being cut at once."""

    def __init__(self) -> None:
        super().__init__(
            _("Too many clips are being prepared right now. Please try again in a few seconds.")
        )


class PicturesBusy(GalleryError):  # noqa: N818 - the name says what is the matter
    """Too many pictures to search with are being opened at once."""

    wait = 5  # seconds until it is worth trying again

    def __init__(self) -> None:
        super().__init__(
            _("Too many pictures are being processed right now. Please try again in a few seconds.")
        )


class TooManyRequests(GalleryError):  # noqa: N818 - HTTP's name of it
    """Something was asked for too often; `wait` is seconds until it may be asked for again."""

    def __init__(self, wait: int, message: str | Promise | None = None) -> None:
        self.wait = wait
        super().__init__(
            message or _("Too many requests. Please wait %(wait)s.") % {"wait": in_words(wait)}
        )


class TooManyLogins(TooManyRequests):
    """A login was tried too often: the password was not looked at."""

    def __init__(self, wait: int) -> None:
        super().__init__(
            wait,
            _(
                "Too many login attempts. Please wait %(wait)s before trying again. Until "
                "then, even the correct password is refused."
            )
            % {"wait": in_words(wait)},
        )


def in_words(seconds: int) -> str:
    """A time to wait, rounded up: 40 seconds, 3 minutes."""
    if seconds < 100:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
    minutes = -(-seconds // 60)
    return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}


def status_of(error: GalleryError) -> HTTPStatus:
    """The status of an answer that tells of an error: whose fault it is, and if waiting helps."""
    if isinstance(error, IndexUnavailable | ModelError | ClipBusy | PicturesBusy):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, DiskFull):
        return HTTPStatus.INSUFFICIENT_STORAGE
    if isinstance(error, TooManyRequests):
        return HTTPStatus.TOO_MANY_REQUESTS
    return HTTPStatus.BAD_REQUEST


class LostClaim(Exception):  # noqa: N818 - not an error: somebody else owns the work now
    """The film was deleted or imported anew, or the lease ran out and another worker has it."""
