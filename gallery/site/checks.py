"""System checks: missing or wrong settings and programs, and how to fix them."""

import os
import subprocess
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from gallery.clip import conversion, weights
from gallery.clip.runtimes import DEVICES, PRECISIONS, has_gpu
from gallery.core import access
from gallery.core.errors import ModelError
from gallery.core.rate_limits import parse_rate
from gallery.media import ffmpeg
from imgsearch.queues import KINDS

MIN_TOKEN_LENGTH = 16  # characters


@register()
def check_ffmpeg(**_kwargs: Any) -> list[CheckMessage]:
    """Check that FFmpeg starts and is new enough."""
    hint = (
        "Unset FFMPEG: the FFmpeg of the package imageio-ffmpeg is then used."
        if settings.FFMPEG
        else "Install the package imageio-ffmpeg from requirements.txt, or set FFMPEG."
    )
    try:
        problem = ffmpeg.describe_outdated_version(ffmpeg.version())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        problem = f"FFmpeg does not run: {error}"
    return [Error(problem, hint=hint, id="gallery.E001")] if problem else []


@register()
def check_media_store(**_kwargs: Any) -> list[CheckMessage]:
    """Check that films can be stored."""
    try:
        settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [Error(f"{settings.MEDIA_ROOT}: {error}", hint="Set MEDIA_DIR.", id="gallery.E002")]
    if not os.access(settings.MEDIA_ROOT, os.W_OK):
        return [
            Error(
                f"{settings.MEDIA_ROOT} is not writable.", hint="Set MEDIA_DIR.", id="gallery.E002"
            )
        ]
    return []


@register()
def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """Check values that would only fail in the middle of an import."""
    found: list[CheckMessage] = []
    if settings.CLIP_EDGES not in ("squash", "pad", "tiles"):
        given = settings.CLIP_EDGES
        found.append(
            Error(f"CLIP_EDGES is {given!r}.", hint="squash, pad, tiles", id="gallery.E003")
        )
    for name, known in (("CLIP_PRECISION", PRECISIONS), ("CLIP_DEVICE", DEVICES)):
        if getattr(settings, name) not in known:
            given = getattr(settings, name)
            found.append(Error(f"{name} is {given!r}.", hint=", ".join(known), id="gallery.E003"))
    unknown = sorted(set(settings.WORKER_QUEUES) - set(KINDS))
    if unknown:
        found.append(
            Error(
                f"WORKER_QUEUES names {', '.join(unknown)}.",
                hint=", ".join(KINDS),
                id="gallery.E003",
            )
        )
    found.extend(
        Error(f"{name} must not be negative.", id="gallery.E004")
        for name in ("CLIP_THREADS", "CLIP_BATCH", "CLIP_IDLE_SECONDS")
        if getattr(settings, name) < 0
    )
    found.extend(
        Error(f"{name} must be at least 1.", id="gallery.E004")
        for name in (
            *("SEGMENT_SECONDS", "LEASE_SECONDS", "WORKERS"),
            *("CLIPS_AT_ONCE", "MAX_CLIP_SECONDS"),
            *("LIBRARY_SCAN_SECONDS", "LIBRARY_IMPORTS_AT_ONCE"),
        )
        if getattr(settings, name) < 1
    )
    return found


@register()
def check_int8(**_kwargs: Any) -> list[CheckMessage]:
    """Check that NNCF is installed for CLIP_PRECISION=int8."""
    if settings.CLIP_PRECISION != "int8" or conversion.has_quantizer():
        return []
    return [
        Warning(
            "CLIP_PRECISION is int8, but NNCF is not installed; the next best precision is used.",
            hint="make int8",
            id="gallery.W002",
        )
    ]


@register()
def check_gpu(**_kwargs: Any) -> list[CheckMessage]:
    """Check that there is a GPU for CLIP_DEVICE=cuda."""
    if settings.CLIP_DEVICE != "cuda" or has_gpu():
        return []
    return [
        Warning(
            "CLIP_DEVICE is cuda, but this machine has no GPU; the CPU is used.",
            hint="Install the GPU's driver, and pass the GPU into the container.",
            id="gallery.W003",
        )
    ]


@register()
def check_audiences(**_kwargs: Any) -> list[CheckMessage]:
    """Check the settings of permissions; an unknown value denies everyone."""
    return [
        Error(
            f"{name} is {getattr(settings, name)!r}.",
            hint=", ".join(access.AUDIENCES),
            id="gallery.E005",
        )
        for name in ("WHOLE_FILMS_FOR", "DOWNLOADS_FOR")
        if getattr(settings, name) not in access.AUDIENCES
    ]


@register()
def check_rates(**_kwargs: Any) -> list[CheckMessage]:
    """Check that rates can be parsed."""
    found: list[CheckMessage] = []
    for name in ("API_RATE", "API_RATE_WITHOUT_TOKEN", "SEARCH_RATE", "CLIP_RATE", "BOARD_RATE"):
        rate = getattr(settings, name)
        try:
            if rate:
                parse_rate(rate)
        except ValueError:
            found.append(
                Error(f"{name} is {rate!r}.", hint="600/m, 10/s, or empty", id="gallery.E006")
            )
    return found


@register()
def check_metrics_token(**_kwargs: Any) -> list[CheckMessage]:
    """Check that METRICS_TOKEN cannot be guessed."""
    if not settings.METRICS_TOKEN or len(settings.METRICS_TOKEN) >= MIN_TOKEN_LENGTH:
        return []
    return [
        Error(
            f"METRICS_TOKEN has fewer than {MIN_TOKEN_LENGTH} characters.",
            hint="openssl rand -hex 24",
            id="gallery.E007",
        )
    ]


@register()
def check_model(**_kwargs: Any) -> list[CheckMessage]:
    """Check that CLIP_MODEL names a model that can be read."""
    try:
        weights.configured()
    except (ModelError, OSError, ValueError) as error:
        return [Warning(f"The model: {error}", hint="Set CLIP_MODEL.", id="gallery.W001")]
    return []


@register(Tags.database)
def check_chosen_model(
    databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Check that CLIP_MODEL is the model that was chosen with `manage.py reembed`, if any was."""
    if not databases:
        return []
    try:
        difference = weights.describe_difference()
        weights.active()
    except DatabaseError:
        return []  # before the first migration
    except (ModelError, OSError, ValueError) as error:
        return [Warning(f"The model: {error}", id="gallery.W004")]
    return [Warning(difference, id="gallery.W004")] if difference else []
