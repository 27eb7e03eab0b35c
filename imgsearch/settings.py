"""Settings, read from the environment with safe defaults. docs/settings.md lists them."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _
from kombu import Exchange, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

import imgsearch
from imgsearch.environment import Environment
from imgsearch.local.sockets import embedded_redis_url
from imgsearch.queues import DEFAULT_KINDS, KINDS, name_queues
from imgsearch.secret import read_or_create_secret

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = imgsearch.VERSION  # reported by the API and the MCP server
env = Environment()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")

# --- storage ------------------------------------------------------------------------------------

# Database, Redis, films, thumbnails, logs, secrets: all state of one installation.
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).expanduser().absolute()
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

SECRET_KEY = env.str("SECRET_KEY", default="") or read_or_create_secret(VAR_DIR / "secret_key")
DEBUG = env.bool("DEBUG", default=False)

# --- the web ------------------------------------------------------------------------------------

# The public URL of an installation behind a proxy: https://scenes.example.org
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]"]
if _public.hostname:
    ALLOWED_HOSTS.append(_public.hostname)
    CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]

# The URL of the site for links that are made without a request, as by commands.
SITE_URL = PUBLIC_URL or f"http://127.0.0.1:{env.str('PORT', default='8000')}"

# A URL with https:// enables everything that requires TLS.
_tls = _public.scheme == "https"
SECURE_SSL_REDIRECT = _tls
SECURE_HSTS_SECONDS = 31_536_000 if _tls else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _tls
SECURE_HSTS_PRELOAD = _tls
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _tls else None
SESSION_COOKIE_SECURE = _tls
CSRF_COOKIE_SECURE = _tls
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Browsers share cookies across ports, so two installations on one host need different names.
_cookie_suffix = env.str("PORT", default="")
SESSION_COOKIE_NAME = f"imgsearch_session{_cookie_suffix}"
CSRF_COOKIE_NAME = f"imgsearch_csrf{_cookie_suffix}"
LANGUAGE_COOKIE_NAME = "imgsearch_language"

# Threads that run Django in each process of the web server; connections have others.
WEB_THREADS = env.int("WEB_THREADS", default=8)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "gallery",
]

MIDDLEWARE = [
    "gallery.site.middleware.OneModel",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "gallery.core.middleware.CompressText",
    "gallery.core.middleware.ContentSecurityPolicy",
    "gallery.rest.middleware.ErrorsAsJson",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "gallery.rest.middleware.BearerToken",
    "gallery.core.middleware.RejectLongUrls",
    "gallery.core.middleware.RejectLargeBodies",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "gallery.core.middleware.RequireLogin",
    "gallery.core.middleware.RenderErrors",
]

ROOT_URLCONF = "imgsearch.urls"
WSGI_APPLICATION = "imgsearch.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gallery.site.context.installation",
            ],
            "libraries": {
                "boards": "gallery.boards.template_tags",
                "disk": "gallery.core.disk_tags",
                "queries": "gallery.search.template_tags",
                "scenes": "gallery.films.template_tags",
            },
        },
    }
]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "imgsearch.static.StaticFiles"},
}

# --- language -----------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- database -----------------------------------------------------------------------------------

_sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR_DIR / "db.sqlite3"}
DATABASES = {
    "default": env.db("DATABASE_URL") if env.str("DATABASE_URL", default="") else _sqlite,
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Web server and workers write concurrently: readers never wait, writers take turns.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Opening a connection takes nearly a millisecond per page, also on SQLite.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Redis: the index in database 0, the queue in database 1, the cache in database 2 -----------

# Empty: the server that `make run` starts, at a socket in VAR_DIR that only its owner can open.
REDIS_URL_GIVEN = bool(env.str("REDIS_URL", default=""))
REDIS_URL = env.str("REDIS_URL", default="") or embedded_redis_url(VAR_DIR)
# A separate server or cluster (redis+cluster://) for the index; empty: the one at REDIS_URL. Celery
# does not support clusters.
INDEX_URL = env.str("INDEX_URL", default="")


def _queue_url(redis_url: str) -> str:
    """Return the URL of the queue: the server of the index, database 1."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return f"redis+socket://{parts.path}?virtual_host=1"
    return parts._replace(path="/1").geturl()


def _cache_url(redis_url: str) -> str:
    """Return the URL of the cache: the server of the index, database 2."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db=2"
    return parts._replace(path="/2").geturl()


CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or _queue_url(REDIS_URL)
# Redis may be restarted, or refuse writes because its disk is full: workers and beat wait for it.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# A task that runs longer than the visibility timeout would be delivered a second time while it
# still runs: tasks are short, and their hard limit is well below.
CELERY_TASK_TIME_LIMIT = 1500
CELERY_TASK_SOFT_TIME_LIMIT = 1380
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, float | str] = {
    "visibility_timeout": 3600,
    "queue_order_strategy": "imgsearch.queues:SoonFirst",
}
# Seconds to wait for a reply from Redis; 0: no limit, for workers and commands. The web server has
# a limit, so that pages can report the problem.
REDIS_TIMEOUT = env.float("REDIS_TIMEOUT", default=0.0)
if REDIS_TIMEOUT:
    CELERY_TASK_PUBLISH_RETRY = False
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "socket_timeout": REDIS_TIMEOUT,
        "socket_connect_timeout": REDIS_TIMEOUT,
        # Without these, kombu retries forever.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# The queue of each kind of work (`imgsearch.queues`), and the kinds that local workers take.
QUEUES = name_queues(env.str("CELERY_QUEUE", default="films"))
WORKER_QUEUES = env.list("WORKER_QUEUES", default=[]) or list(DEFAULT_KINDS)
CELERY_TASK_DEFAULT_QUEUE = QUEUES["segments"]
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name), routing_key=name)
    for kind, name in QUEUES.items()
    if kind in WORKER_QUEUES
]
CELERY_TASK_ROUTES = {
    f"gallery.tasks.{task}": {"queue": QUEUES[kind], "routing_key": QUEUES[kind]}
    for kind, tasks in KINDS.items()
    for task in tasks
}
# `sweep` queues work again whose worker died; `tidy` removes leftovers.
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=15)
TIDY_SECONDS = 3600
CELERY_BEAT_SCHEDULE = {
    name: {
        "task": f"gallery.tasks.{name}",
        "schedule": seconds,
        "options": {"expires": seconds},
        "last_run_at": datetime.fromtimestamp(0, UTC),  # due at once after a start
    }
    for name, seconds in (("sweep", SWEEP_SECONDS), ("tidy", TIDY_SECONDS))
}
CELERY_BEAT_SCHEDULER = "imgsearch.beat:SingleScheduler"

# Rate-limit counters, shared by all processes.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.str("CACHE_URL", default="") or _cache_url(REDIS_URL),
        "KEY_PREFIX": env.str("INDEX_PREFIX", default="imgsearch"),
        # Counting must not delay requests.
        "OPTIONS": {
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            "retry": Retry(NoBackoff(), 0),
        },
    }
}

# --- rate limits --------------------------------------------------------------------------------

# A rate is a number of requests in a period (s, m, h, d) by a user, or else by an IP address. Empty
# means no limit.
# Pages that search: results, scenes, films, pictures to search with.
SEARCH_RATE = env.str("SEARCH_RATE", default="240/m")
# Clips, stills and animations that are not in the cache.
CLIP_RATE = env.str("CLIP_RATE", default="120/m")
# New boards, and zips of boards.
BOARD_RATE = env.str("BOARD_RATE", default="60/h")
# API requests with a token.
API_RATE = env.str("API_RATE", default="600/m")
# API requests without a token.
API_RATE_WITHOUT_TOKEN = env.str("API_RATE_WITHOUT_TOKEN", default="120/m")
# Number of proxies that append to X-Forwarded-For.
NINJA_NUM_PROXIES = env.int("PROXIES", default=1 if PUBLIC_URL else 0)

# --- embedding ----------------------------------------------------------------------------------

# A model of the CLIP family: a hub id, or a folder.
CLIP_MODEL = env.str("CLIP_MODEL", default="") or "openai/clip-vit-base-patch16"
DEMO_MODEL_DIR = BASE_DIR / "demo" / "model"
# How pictures that are not square are fitted: squash, pad, or tiles.
CLIP_EDGES = env.str("CLIP_EDGES", default="squash")
# auto, fp32, bf16 or int8; a precision that fails its self-check is not used.
CLIP_PRECISION = env.str("CLIP_PRECISION", default="auto")
# The models converted for this machine.
MODEL_CACHE_DIR = (
    Path(env.str("MODEL_CACHE_DIR", default="") or VAR_DIR / "models").expanduser().absolute()
)
# auto: a GPU when there is one; cpu; cuda.
CLIP_DEVICE = env.str("CLIP_DEVICE", default="auto")
# Pictures in one forward pass; 0: chosen for the device.
CLIP_BATCH = env.int("CLIP_BATCH", default=0)
# Segments embedded at the same time on this machine.
WORKERS = CELERY_WORKER_CONCURRENCY = env.int("WORKERS", default=1)
# Threads for inference in one process; 0: the process's share of the cores, by WORKERS.
CLIP_THREADS = env.int("CLIP_THREADS", default=0)
# Seconds without a picture after which the image tower is released, about 300 MB; 0: never.
CLIP_IDLE_SECONDS = env.float("CLIP_IDLE_SECONDS", default=0.0)
# Whether identical frames share a vector.
SHARE_VECTORS = env.bool("SHARE_VECTORS", default=True)

# Whether text in pictures is read, so that it can be searched; each film has a switch, too.
READ_TEXT = env.bool("READ_TEXT", default=True)

# The Whisper model that recognizes speech, converted for CTranslate2: a hub id, a folder, off, or
# auto: a large one where there is a GPU.
SPEECH_MODEL = env.str("SPEECH_MODEL", default="auto")
if SPEECH_MODEL.lower() in ("", "0", "off", "no", "none", "false"):
    SPEECH_MODEL = "off"

# Seconds of film in one task, and without a sign of its worker until another takes over.
SEGMENT_SECONDS = env.int("SEGMENT_SECONDS", default=120)
LEASE_SECONDS = env.int("LEASE_SECONDS", default=60)

# The FFmpeg to run; empty: that of imageio-ffmpeg, which the tests use.
FFMPEG = env.str("FFMPEG", default="")
# Decoding on a graphics card: auto, none, or FFmpeg's name of a method (cuda, vaapi, qsv, ...).
FFMPEG_HWACCEL = env.str("FFMPEG_HWACCEL", default="auto")
MAX_FILM_HOURS = env.float("MAX_FILM_HOURS", default=12.0)
MAX_FILM_PIXELS = env.int("MAX_FILM_PIXELS", default=8192 * 4320)
MAX_PICTURE_BYTES = env.int("MAX_PICTURE_BYTES", default=20_000_000)
MAX_PICTURE_PIXELS = env.int("MAX_PICTURE_PIXELS", default=60_000_000)
MAX_PICTURE_MEMORY = env.int("MAX_PICTURE_MEMORY", default=600_000_000)
MAX_SUBTITLE_BYTES = env.int("MAX_SUBTITLE_BYTES", default=5_000_000)
MAX_QUERY_CHARACTERS = env.int("MAX_QUERY_CHARACTERS", default=500)

# Prefix of all keys in Redis, so that two installations can share one server.
INDEX_PREFIX = env.str("INDEX_PREFIX", default="imgsearch")

# --- files --------------------------------------------------------------------------------------

MEDIA_ROOT = Path(env.str("MEDIA_DIR", default="") or VAR_DIR / "media").expanduser().absolute()
# Folders whose films are imported in place, in addition to those added in the admin.
LIBRARY_DIRS = env.list("LIBRARY_DIRS", default=[])
# Seconds between two scans of a folder, and seconds without changes before a file is imported.
LIBRARY_SCAN_SECONDS = env.int("LIBRARY_SCAN_SECONDS", default=60)
LIBRARY_SETTLE_SECONDS = env.int("LIBRARY_SETTLE_SECONDS", default=30)
# Films of library folders that are imported at the same time; the others wait in order.
LIBRARY_IMPORTS_AT_ONCE = env.int("LIBRARY_IMPORTS_AT_ONCE", default=4)
# On the same disk as the media store, so that an upload is moved, not copied.
FILE_UPLOAD_TEMP_DIR = MEDIA_ROOT / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
# Temporary files of tasks: local, whereas the media store may be on the network.
SCRATCH_DIR = (
    Path(env.str("SCRATCH_DIR", default="") or VAR_DIR / "scratch").expanduser().absolute()
)
SCRATCH_DIR.mkdir(parents=True, exist_ok=True)
FILE_UPLOAD_HANDLERS = ["gallery.media.uploads.StreamToDisk"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

# Uploads, imports, clips and pictures are refused when less than this would stay free, to leave
# space for the database and Redis. Below four times as much, staff are warned.
MIN_FREE_BYTES = env.int("MIN_FREE_BYTES", default=500_000_000)

# Clips are cut on request, this many at the same time, and cached.
CLIPS_AT_ONCE = env.int("CLIPS_AT_ONCE", default=2)
CLIP_CACHE_BYTES = env.int("CLIP_CACHE_BYTES", default=2_000_000_000)
# Pictures that users searched with, kept for at most 30 days.
PICTURE_CACHE_BYTES = env.int("PICTURE_CACHE_BYTES", default=500_000_000)
# Boards of browsers without a login, and the scenes on them.
MAX_ANONYMOUS_BOARDS = env.int("MAX_ANONYMOUS_BOARDS", default=10_000)
MAX_ANONYMOUS_SCENES = env.int("MAX_ANONYMOUS_SCENES", default=100_000)
# Zips of boards: the largest one, and all of them; they are kept for a day.
EXPORT_BYTES = env.int("EXPORT_BYTES", default=2_000_000_000)
EXPORT_CACHE_BYTES = env.int("EXPORT_CACHE_BYTES", default=10_000_000_000)

# The maximum duration of a clip.
MAX_CLIP_SECONDS = env.int("MAX_CLIP_SECONDS", default=120)

# --- permissions --------------------------------------------------------------------------------

# Whether search and scenes require a login.
SEARCH_NEEDS_LOGIN = env.bool("SEARCH_NEEDS_LOGIN", default=False)
# Who may play whole films: everyone, users (logged in), staff, or nobody. Unlike a scene, a
# whole film is not a quotation, and takes much bandwidth.
WHOLE_FILMS_FOR = env.str("WHOLE_FILMS_FOR", default="users")
# Who may save clips, stills, animations and zips of boards. (CSV, EDL and OTIO hold no film.)
DOWNLOADS_FOR = env.str("DOWNLOADS_FOR", default="everyone")

# The bearer token for /metrics; empty: no metrics.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"

# --- logs ---------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "faster_whisper": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "huggingface_hub": {"level": "ERROR"},
        "transformers": {"level": "ERROR"},
    },
}
