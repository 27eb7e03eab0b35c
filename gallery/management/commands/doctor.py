"""manage.py doctor: check what is installed, reachable and ready."""

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from gallery.clip import conversion, encoder, shot_network
from gallery.core import disk
from gallery.core.errors import GalleryError, IndexMissing
from gallery.films import catalogue
from gallery.films.models import Film
from gallery.importing import model_choice, shot_detection
from gallery.index import frame_index, server
from gallery.media import ffmpeg
from gallery.ocr.reader import get_reader
from gallery.speech import model as speech_model
from gallery.speech import recognizer
from gallery.transcripts import dialogue, listening, reading
from gallery.transcripts.models import Subtitles
from gallery.workers import records, start_checks
from imgsearch import beat
from imgsearch.queues import DEFAULT_KINDS


class Command(BaseCommand):
    """Prints a line per part of the installation."""

    help = "Check what is installed, reachable and ready. Fails if anything is not."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run all checks, even if some fail."""
        examinations: list[tuple[str, Callable[[], str]]] = [
            ("FFmpeg", _ffmpeg),
            ("Database", _database),
            ("Media store", _media),
            ("Redis", _redis),
            ("Index", _index),
            ("Dialogue", _dialogue),
            ("Text", _text),
            ("Speech", _speech),
            ("Model", _model),
            ("Precision", _precision),
            ("Shots", _shots),
            ("Machine", _machine),
            ("Workers", _workers),
            ("Beat", _beat),
            ("Films", _films),
        ]
        failures = 0
        for name, examine in examinations:
            try:
                self.stdout.write(f"  ok   {name:<12} {examine()}")
            except Exception as error:  # report it and continue
                failures += 1
                self.stdout.write(f"  BAD  {name:<12} {error}")
        if failures:
            raise CommandError(f"{failures} of {len(examinations)} checks failed.")


def _ffmpeg() -> str:
    found = ffmpeg.version()
    if problem := ffmpeg.describe_outdated_version(found):
        raise GalleryError(problem)
    decodes = ffmpeg.hwaccel_arguments()
    if not decodes and settings.FFMPEG_HWACCEL not in ("auto", "none"):
        raise GalleryError(
            f"FFMPEG_HWACCEL={settings.FFMPEG_HWACCEL} cannot be used: its device cannot be opened"
        )
    return (
        f"{found} ({ffmpeg.binary()}), decodes {f'with {decodes[1]}' if decodes else 'in software'}"
    )


def _database() -> str:
    connection.ensure_connection()
    return f"{connection.vendor}, {Film.objects.count()} films"


def _media() -> str:
    settings.MEDIA_ROOT.mkdir(parents=True, exist_ok=True)
    free = f"{settings.MEDIA_ROOT}, {disk.free_bytes() / 1e9:.1f} GB free"
    reserve = f"MIN_FREE_BYTES, {settings.MIN_FREE_BYTES / 1e9:.1f} GB"
    if not disk.has_space():
        raise GalleryError(f"{free}: uploads and imports stop below {reserve}; free some space")
    if disk.is_nearly_full():
        raise GalleryError(f"{free}: the disk is almost full (uploads stop at {reserve})")
    return free


def _redis() -> str:
    """Check the server or the cluster of the index."""
    url = settings.INDEX_URL or settings.REDIS_URL
    server.check_server(url)
    infos: list[Any] = [one.info() for one in server.primaries(server.connect_index())]
    address = url.partition("@")[2] or url
    for info in infos:
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction" and info.get("maxmemory"):
            raise GalleryError(
                f"{address} evicts keys when its memory is full (maxmemory-policy {policy}), which "
                "loses frames: set maxmemory-policy to noeviction"
            )
    persistence = "on" if all(info["aof_enabled"] for info in infos) else "OFF"
    used = sum(info["used_memory"] for info in infos)
    servers = f" ({len(infos)} servers)" if len(infos) > 1 else ""
    return (
        f"{infos[0]['redis_version']} at {address}{servers}, {used / 1e6:.1f} MB used, "
        f"append-only file {persistence}"
    )


def _index() -> str:
    try:
        status = frame_index.current().status()
    except IndexMissing:
        return "not created yet; the first import creates it"
    searchable = catalogue.searchable()
    expected = sum(searchable.values_list("frame_count", flat=True))
    if status.ready >= 1 and status.frames != expected:
        raise GalleryError(
            f"{status.frames} frames, but the films have {expected}: a worker restores what is "
            "missing, or run manage.py rebuild_index; manage.py check_library shows what differs"
        )
    warm = "warm" if status.ready >= 1 else f"warming up, {status.ready:.0%}"
    return f"{status.frames} frames, {status.megabytes:.1f} MB, {warm}"


def _dialogue() -> str:
    subtitles = Subtitles.objects.shown().filter(film__searchable_run__isnull=False)
    if not subtitles.exists():
        return "no film has subtitles yet"
    stale = dialogue.stale()
    if stale:
        raise GalleryError(
            f"the dialogue of {len(stale)} films is not in the index yet; a worker adds it, or run "
            "manage.py rebuild_index"
        )
    languages = subtitles.values("language").distinct().count()
    return f"{dialogue.current().lines()} lines in {languages} languages"


def _text() -> str:
    """Report the reader of text in pictures, and the films it has not read yet."""
    if not settings.READ_TEXT:
        return "text in pictures is not read (READ_TEXT=0)"
    get_reader()
    parts = [
        f"pictures are read with {reading.VERSION.split()[0]} (rapidocr {version('rapidocr')})"
    ]
    failed = reading.JOB.find_given_up()
    waiting = reading.JOB.find_waiting()
    if waiting:
        parts.append(f"{len(waiting)} films are waiting to be read")
    if failed:
        parts.append(
            f"{len(failed)} films could not be read: see the worker log, and try again with "
            "“Read text again” in the admin"
        )
    return "; ".join(parts)


def _speech() -> str:
    """Report the speech model, and the films it has not processed yet."""
    name = speech_model.model_name()
    if not name:
        return "speech is not recognised (SPEECH_MODEL is not set)"
    if speech_model.local_folder() is None:
        raise GalleryError(
            f"{name} is not downloaded: run manage.py fetch_model with a connection, or set "
            "SPEECH_MODEL to a folder with a model"
        )
    if records.find_unserved(["speech"]):
        raise GalleryError(
            f"no worker takes from the queue {settings.QUEUES['speech']}: start make run again, or "
            "WORKER_QUEUES=speech celery -A imgsearch worker -n speech@%h"
        )
    failed = listening.JOB.find_given_up()
    waiting = listening.JOB.find_waiting()
    loaded = recognizer.get_recognizer()
    parts = [
        f"recognised with {name} ({loaded.target}, faster-whisper {version('faster-whisper')})"
    ]
    if waiting:
        parts.append(f"{len(waiting)} films are waiting")
    if failed:
        parts.append(
            f"the speech of {len(failed)} films could not be recognised: see the worker log, and "
            "try again with “Recognise speech again” in the admin"
        )
    return "; ".join(parts)


def _model() -> str:
    started = time.monotonic()
    loaded = encoder.current()
    loaded.embed_text("a film")
    model = loaded.model
    return (
        f"{model.name} ({model.width} dimensions, {'/'.join(model.languages)}, edges: "
        f"{loaded.edges}), loaded in {time.monotonic() - started:.1f} s"
        + ("; THE DEMO MODEL" if model.is_demo else "")
        + "".join(f"; {note}" for note in model_choice.notes())
    )


def _precision() -> str:
    """Report the precision in use, and the self-check of each precision that was tried."""
    loaded = encoder.current()
    used, names = loaded.target, {"openvino": "OpenVINO", "torch": "PyTorch"}
    found = [f"{used.precision} ({names[used.runtime]}, {used.device.upper()})"]
    if used.runtime == "torch" and used.device == "cpu":
        found.append("no converted model can be used, so this is several times slower")
    for target in encoder.candidate_targets():
        report = conversion.load_report(loaded.model, target)
        if report is not None:
            on_gpu = " on the GPU" if target.device == "cuda" else ""
            found.append(f"{target.precision}{on_gpu}: {report}")
    if not conversion.has_quantizer():
        found.append("int8: not installed (make int8)")
    return "; ".join(found)


def _shots() -> str:
    """Report the shot detector, and the films that need new shot detection."""
    parts = [f"clear cuts and fades, and {shot_network.get_network()}"]
    failed = shot_detection.JOB.find_given_up()
    waiting = shot_detection.JOB.find_waiting()
    if waiting:
        without = sum(not film.has_source for film in waiting)
        parts.append(
            f"{len(waiting)} films are waiting for new shot detection"
            + (f", {without} of them without their file" if without else "")
        )
    if failed:
        parts.append(
            f"{len(failed)} films keep the shots of an earlier version because detection "
            "failed (see the worker log)"
        )
    return "; ".join(parts)


def _machine() -> str:
    """Report problems that would keep a worker on this machine from starting."""
    problems = start_checks.find_problems(DEFAULT_KINDS)
    if problems:
        raise GalleryError(" ".join(problems))
    differences = [f"{abs(one.seconds):.1f} s" for one in start_checks.measure_clock_differences()]
    return f"version {settings.VERSION}, clocks differ by {' and '.join(differences)} or less"


def _workers() -> str:
    found = [record.name for record in records.read_all()]
    if not found:
        raise GalleryError("no Celery worker is running; imports are waiting")
    if unserved := records.find_unserved(DEFAULT_KINDS):
        kinds = ", ".join(unserved)
        raise GalleryError(f"no worker takes {kinds}; these tasks are waiting (see WORKER_QUEUES)")
    return ", ".join(found)


def _beat() -> str:
    if not beat.is_active():
        raise GalleryError(
            "not running; interrupted imports do not resume until `make run` or "
            "`celery -A imgsearch.beat beat` runs"
        )
    return "active"


def _films() -> str:
    states = [
        f"{Film.objects.filter(state=state).count()} {state.label}"
        for state in Film.State
        if Film.objects.filter(state=state).exists()
    ]
    others = catalogue.waiting_for_model().count()
    if others:
        raise GalleryError(
            f"{others} films use another model and are not searched: run manage.py reembed"
        )
    return ", ".join(states) or "none yet"
