"""The product's settings, read in the environment of the tests.

All environment variables are set here, before the settings are read, so that neither
this machine's installation nor its .env leaks in. The child processes of the tests (workers, web
servers, manage.py) inherit that environment and load `imgsearch.settings` as always.

The database is one SQLite file. The tests' own process uses it as its test database (TEST NAME) and
its children find the same file through DATABASE_URL, so both see the same committed rows.
"""

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(tempfile.mkdtemp(prefix="imgsearch-test-")).resolve()

os.environ.update(
    {
        "VAR_DIR": str(VAR),
        "MEDIA_DIR": str(VAR / "media"),
        "DATABASE_URL": f"sqlite:///{VAR / 'db.sqlite3'}",
        # TEST_CLIP_MODEL: another model of the same shape, while the demo model is being trained.
        "CLIP_MODEL": os.environ.get("TEST_CLIP_MODEL", "") or str(ROOT / "demo" / "model"),
        # TEST_FFMPEG: for the product; the tests make their films with the pinned FFmpeg.
        "FFMPEG": os.environ.get("TEST_FFMPEG", ""),
        "CLIP_EDGES": "squash",
        "CLIP_BATCH": "8",
        "CLIP_PRECISION": "bf16",
        "CLIP_DEVICE": "cpu",
        # One thread each: tests, a worker and a web server share few cores.
        "CLIP_THREADS": "1",
        # Kept between runs, for every process of a parallel run, and for the installations that
        # tests start. `make test` sets TEST_MODEL_CACHE to an empty folder.
        "MODEL_CACHE_DIR": os.environ.get("TEST_MODEL_CACHE", "")
        or str(ROOT / ".pytest_cache" / "models"),
        # Tests of the reader switch it on.
        "READ_TEXT": "0",
        "SPEECH_MODEL": "off",
        # Minutes in production, seconds here.
        "SEGMENT_SECONDS": "5",
        "LEASE_SECONDS": "4",
        "SWEEP_SECONDS": "2",
        "LIBRARY_DIRS": "",
        "LIBRARY_SCAN_SECONDS": "1",
        "LIBRARY_SETTLE_SECONDS": "1",
        "REDIS_URL": "",
        "INDEX_URL": "",
        "CELERY_BROKER_URL": "",
        "CACHE_URL": "",
        # Tests search more often than users; tests of the limits set their own.
        "SEARCH_RATE": "",
        "CLIP_RATE": "",
        "BOARD_RATE": "",
        "CELERY_QUEUE": "films",
        "INDEX_PREFIX": "imgsearch",
        "PUBLIC_URL": "",
        "SECRET_KEY": "",
        "ALLOWED_HOSTS": "",
        "DEBUG": "0",
        "TIME_ZONE": "UTC",
        "LOG_LEVEL": "INFO",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # The tests, a worker and a web server share few cores: threads would wait for one another.
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
)
for name in (
    *("API_RATE", "API_RATE_WITHOUT_TOKEN", "PROXIES"),
    *("PORT", "HOST", "IMPORT_DEMO", "WORKERS", "MAX_FILM_HOURS", "MAX_FILM_PIXELS"),
    *("MAX_PICTURE_BYTES", "MAX_PICTURE_PIXELS", "MAX_QUERY_CHARACTERS", "MAX_SUBTITLE_BYTES"),
    *("HF_ENDPOINT", "HF_HOME"),
    *("WORKER_QUEUES", "SCRATCH_DIR", "METRICS_TOKEN"),
):
    os.environ.pop(name, None)
os.environ["DJANGO_SETTINGS_MODULE"] = "imgsearch.settings"

from imgsearch.settings import *  # noqa: E402, F403
from imgsearch.settings import DATABASES  # noqa: E402

DATABASES["default"]["TEST"] = {"NAME": str(VAR / "db.sqlite3")}
