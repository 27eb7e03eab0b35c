"""How long a label's examples and its computation take in a large synthetic library.

It runs in another process with its own folder, as it needs a database and a media store.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common import make_environment

FILMS = 100
SECONDS = 7200  # of a film: two hours
SHOT = 5  # seconds
SHOWN = 0.02  # of all shots show the label
COMPUTED = 10  # films for which the label is computed


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(__file__).resolve().parent.parent / "demo" / "model"
        environment = make_environment(Path(folder), model)
        subprocess.run([sys.executable, "-m", "benchmarks.labels"], env=environment, check=True)


def measure() -> None:
    """Fill a library, survey prompts, and compute a label."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from gallery.index import frame_index
    from gallery.labels import jobs, scoring, survey
    from gallery.labels.models import Label
    from imgsearch.local.redis_server import running

    call_command("migrate", verbosity=0)
    with running(settings.VAR_DIR):
        fill()
        print(f"{frame_index.current().status().frames} frames of {FILMS} films\n")
        survey.survey(["house"])  # load the model and the baseline first
        for prompts in (["dog"], ["snow"], ["cat", "lion", "tiger"]):
            look = partial(survey.survey, prompts)
            first, again = timed(look), timed(look)
            said = f"first look {first * 1000:.0f} ms, then {again * 1000:.0f} ms"
            print(f"{' / '.join(prompts)}: {said}", flush=True)
        looked = survey.survey(["dog"])
        assert looked is not None
        threshold = looked.suggestion()
        label = Label(name="dog", prompts="dog", threshold=threshold)
        label.scale = scoring.to_scale(looked.levels)
        Label.objects.bulk_create([label])
        left = jobs.prepare()[:COMPUTED]
        spent = timed(lambda: [jobs.label_film(film) for film in left]) / len(left)
        print(f"computed in {spent:.2f} s a film")
        carried = scoring.count_shots()[0].shots
        expected = SHOWN * len(left) * SECONDS / SHOT
        print(f"{carried} shots carry it at the suggested threshold; about {expected:.0f} show it")


def timed(what: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started_at = time.perf_counter()
    what()
    return time.perf_counter() - started_at


def fill() -> None:
    """Create films whose frames are noise around the shots' centres; some shots are near "dog"."""
    from django.utils import timezone

    from gallery.clip import weights
    from gallery.films.models import Film, Shot
    from gallery.index import frame_index
    from gallery.index.types import FrameRecord
    from gallery.media import store
    from gallery.media.types import FrameKind
    from gallery.search import query_vectors

    rng = np.random.default_rng(1)
    dog, model = query_vectors.embed_words("dog"), weights.current()
    shots = SECONDS // SHOT
    looks = np.full(SECONDS, str(FrameKind.PICTURE))
    for number in range(FILMS):
        rows = np.repeat(rng.normal(size=(shots, model.width)), SHOT, axis=0)
        rows += 0.4 * rng.normal(size=rows.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows[np.repeat(rng.random(shots) < SHOWN, SHOT)] += 0.5 * dog
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        film = Film.objects.create(
            title=f"Film {number}",
            sha256=str(number),
            state=Film.State.READY,
            searchable_run=1,
            frame_count=SECONDS,
            shot_count=shots,
            duration=SECONDS,
            model=model.fingerprint,
            finished=timezone.now(),
        )
        seconds = np.arange(SECONDS, dtype=np.int32)
        cuts = np.arange(SHOT, SECONDS, SHOT, dtype=np.float64)
        data = store.SegmentData(
            seconds,
            seconds.astype(np.float64),
            rows.astype(np.float16),
            cuts,
            looks,
            np.zeros(SECONDS, np.uint64),
        )
        film.files.run(1).save_segment(0, data)
        records = [
            FrameRecord(
                film.pk, s, float(s), s // SHOT, float(s - s % SHOT), float(s - s % SHOT + SHOT)
            )
            for s in range(SECONDS)
        ]
        frame_index.current().put(film.pk, records, rows.astype(np.float32))
        Shot.objects.bulk_create(
            Shot(film=film, number=n, start=n * SHOT, end=(n + 1) * SHOT, second=n * SHOT + 2)
            for n in range(shots)
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imgsearch.settings")
    measure()
