"""Errors whose messages people can act on.

Each message is a translatable sentence or two for the person concerned.
"""

from http import HTTPStatus

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext


class GalleryError(Exception):
    """An error that a user or an admin should read. `str(error)` is the message."""


class FilmError(GalleryError):
    """The film cannot be imported; retrying with the same file does not help."""


class FilmAway(FilmError):  # noqa: N818 - the name states the problem
    """The film is in a library folder that cannot be reached at the moment."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The film's file cannot be reached at the moment: the disk or network share of its "
                "library folder is not connected, or the file was removed. Its scenes can still be "
                "found. Ask an administrator to reconnect the disk."
            )
        )


class RetryableError(GalleryError):
    """A step of an import failed but may succeed later: it is retried a few times."""


class FFmpegStalled(RetryableError):  # noqa: N818 - the name states the problem
    """FFmpeg was stopped because it made no progress."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            _(
                "FFmpeg made no progress for %(seconds)d seconds and was stopped. The disk may "
                "not be responding, or the film may be damaged."
            )
            % {"seconds": seconds}
        )


class FFmpegDied(RetryableError):  # noqa: N818 - the name states the problem
    """FFmpeg was killed by the system, or ended without any result."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "FFmpeg ended unexpectedly while it read this film. The system may be short of "
                "memory, or the film may be damaged."
            )
        )


class SubtitlesError(GalleryError):
    """The subtitles cannot be used; another file may work."""


class QueryError(GalleryError):
    """The query is invalid."""


class BoardError(GalleryError):
    """The operation is not possible on this board."""


class IndexUnavailable(GalleryError):  # noqa: N818 - the name states the problem
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
    """Redis answers, but has no index: for a few seconds on a new or emptied server."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The search index was lost and is being rebuilt from the stored films. Nothing "
                "else is lost. Please try again in a minute."
            )
        )


class NoSearchCommands(IndexUnavailable):
    """The server of the index is a Redis without the search commands."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The Redis server of the index has no search commands (FT.SEARCH). Set REDIS_URL "
                "or INDEX_URL to Redis 8 or Redis Stack, or leave both empty to use the embedded "
                "server."
            )
        )


class ModelError(GalleryError):
    """The model cannot be loaded or used."""


class DamagedModel(ModelError):  # noqa: N818 - the name states the problem
    """The files of a converted model are damaged or missing; it is converted again."""

    def __init__(self) -> None:
        super().__init__(
            _("The converted model is damaged and is being rebuilt. Please try again in a minute.")
        )


class DiskFull(GalleryError):  # noqa: N818
    """No space is left on the disk."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "The disk is full, so this was not saved. Search still works. Ask an "
                "administrator to free some space, then try again."
            )
        )


class ClipBusy(GalleryError):  # noqa: N818 - the name states the problem
    """Too many clips are being cut at once."""

    def __init__(self) -> None:
        super().__init__(
            _("Too many clips are being prepared right now. Please try again in a few seconds.")
        )


class PicturesBusy(GalleryError):  # noqa: N818 - the name states the problem
    """Too many query pictures are being opened at once."""

    retry_after = 5  # seconds

    def __init__(self) -> None:
        super().__init__(
            _("Too many pictures are being processed right now. Please try again in a few seconds.")
        )


class TooManyRequests(GalleryError):  # noqa: N818 - HTTP's name
    """A client exceeded a rate limit; it may retry after `retry_after` seconds."""

    def __init__(self, retry_after: int, message: str | Promise | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(
            message
            or _("Too many requests. Please wait %(wait)s.") % {"wait": format_wait(retry_after)}
        )


class TooManyLogins(TooManyRequests):
    """Too many login attempts: the password was not checked."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            retry_after,
            _(
                "Too many login attempts. Please wait %(wait)s before trying again. Until "
                "then, even the correct password is refused."
            )
            % {"wait": format_wait(retry_after)},
        )


def format_wait(seconds: int) -> str:
    """Return a waiting time in words, rounded up: 40 seconds, 3 minutes."""
    if seconds < 100:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
    minutes = -(-seconds // 60)
    return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}


def http_status(error: GalleryError) -> HTTPStatus:
    """Return the HTTP status that answers a request that ended with this error."""
    if isinstance(error, IndexUnavailable | ModelError | ClipBusy | PicturesBusy):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, DiskFull):
        return HTTPStatus.INSUFFICIENT_STORAGE
    if isinstance(error, TooManyRequests):
        return HTTPStatus.TOO_MANY_REQUESTS
    return HTTPStatus.BAD_REQUEST


class LostClaim(Exception):  # noqa: N818 - not an error: another worker owns the work now
    """The film was deleted or imported again, or another worker took over an expired lease."""


class WorkerStops(LostClaim):
    """This worker is being stopped: it gives back what it has claimed."""
