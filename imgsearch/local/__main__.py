"""`make run`: start the processes of an installation in order, and stop them together."""

import contextlib
import os
import sys

from imgsearch.local import redis_server
from imgsearch.local.children import (
    ChildDied,
    Children,
    Interrupted,
    end_with_parent,
    is_disk_full,
)
from imgsearch.local.installation import Installation, read_installation
from imgsearch.local.lock import hold_run_lock
from imgsearch.local.login import Login, describe_login, ensure_login
from imgsearch.local.port import check_port, http_get
from imgsearch.local.prepare import prepare_all_but_model, register_installation
from imgsearch.local.terminal import LauncherError, say, step, warn

# The model has been downloaded before, so the servers never contact the hub.
OFFLINE = {"HF_HUB_OFFLINE": "1"}
# Most queries are short texts: the web server leaves the GPU and most threads to the workers, and
# releases the image tower after a minute.
WEB_ENVIRONMENT = {
    **OFFLINE,
    "CLIP_DEVICE": "cpu",
    "CLIP_THREADS": "2",
    "CLIP_IDLE_SECONDS": "60",
    "REDIS_TIMEOUT": "3",
}
WEB_PROCESSES = min(2, os.cpu_count() or 1)  # one process uses one core; each takes 300 MB
WEB_START_TIMEOUT = 120.0


def start_redis(here: Installation, children: Children) -> None:
    """Start the embedded Redis or check the one at REDIS_URL, and check the one at INDEX_URL."""
    if here.index_url:
        url = redis_server.without_password(here.index_url)
        with step(f"Redis for the index at {url}") as current:
            found = redis_server.check_external_server(here.index_url, current.note, "INDEX_URL")
            current.outcome = f"version {found}"
    if not here.redis_is_embedded:
        url = redis_server.without_password(here.redis_url)
        with step(f"Redis at {url}") as current:
            found = redis_server.check_external_server(
                here.redis_url, current.note, needs_search=not here.index_url
            )
            current.outcome = f"version {found}"
        return
    with step("Embedded Redis with RediSearch") as current:
        if redis_server.stop_orphan_server(here.var_dir):
            current.note("A server from an earlier run was still running and has been stopped.")
        children.start("redis", redis_server.command(here.var_dir), stop_last=True)
        redis_server.wait_ready(here.redis_url, current.note, children.check)
        current.outcome = "ready"


def prepare(here: Installation, children: Children) -> None:
    """Prepare the database, translations, static files and the model."""
    from gallery.clip.runtimes import has_gpu

    prepare_all_but_model(here.base_dir / "locale")
    with step("Model") as current:
        commands = missing_model_commands()
        if commands:
            current.end_line()
        else:
            current.outcome = "ready"
        for name in commands:
            if children.run("model", [sys.executable, "manage.py", name]):
                raise LauncherError("The model could not be prepared. See the lines above.")
        if has_gpu():
            # The web server does not use the workers' GPU, so it needs a separate conversion.
            children.run("model", [sys.executable, "manage.py", "prepare_model"], WEB_ENVIRONMENT)
    register_installation()


def missing_model_commands() -> list[str]:
    """Return the commands that prepare the model; none when it is downloaded and converted."""
    from django.conf import settings

    from gallery.clip import conversion, encoder, runtimes, shot_network, weights
    from gallery.core.errors import ModelError
    from gallery.speech import model as speech_model

    try:
        has_speech = not speech_model.model_name() or speech_model.local_folder() is not None
        if weights.local_folder(settings.CLIP_MODEL) is None or not has_speech:
            return ["fetch_model", "prepare_model"]
        if settings.CLIP_DEVICE != "cpu" and runtimes.has_gpu():
            # Only PyTorch can tell, and importing it would cost this process 500 MB.
            return ["prepare_model"]
        model, targets = weights.configured(), encoder.candidate_targets()
    except (ModelError, OSError, ValueError):
        return ["fetch_model", "prepare_model"]  # these commands report the error
    is_ready = conversion.is_prepared(model, targets) and shot_network.is_prepared()
    return [] if is_ready else ["prepare_model"]


def web_command(here: Installation) -> list[str]:
    """Return the command of the web server; see `imgsearch.webserver`."""
    bind = f"[{here.host}]:{here.port}" if ":" in here.host else f"{here.host}:{here.port}"
    options = {
        "bind": bind,
        "worker-class": "imgsearch.webserver.Worker",
        "workers": str(WEB_PROCESSES),
        "timeout": "120",
        "graceful-timeout": "5",
        "limit-request-line": "65536",
        "access-logfile": "-",
        "error-logfile": "-",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "gunicorn", "--no-control-socket", *flags, "imgsearch.wsgi"]


def worker_command(here: Installation) -> list[str]:
    """Return the command of the worker that imports films."""
    return _celery_worker(f"--concurrency={here.workers}", f"--hostname=films-{here.port}@%h")


def speech_command(here: Installation) -> list[str]:
    """Return the command of the worker that recognizes speech."""
    from django.conf import settings

    queue = f"--queues={settings.QUEUES['speech']}"
    return _celery_worker("--concurrency=1", queue, f"--hostname=speech-{here.port}@%h")


def _celery_worker(*options: str) -> list[str]:
    """Return the command of a worker; --quiet, because printing a banner fails on a full disk."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "imgsearch", "worker", "--pool=prefork",
        "--loglevel=info", "--without-mingle", "--without-gossip", *options,
    ]  # fmt: skip


def beat_command() -> list[str]:
    """Return the command of beat; without a PID file, which would remain after a crash."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "imgsearch.beat", "beat",
        "--pidfile=", "--loglevel=warning",
    ]  # fmt: skip


def start_servers(here: Installation, children: Children) -> None:
    """Start web server, workers and beat, and wait until the web server is healthy."""
    from gallery.speech import model as speech_model

    last_answer, hears = "nothing", speech_model.is_ready()

    def is_healthy() -> bool:
        nonlocal last_answer
        try:
            status, last_answer = http_get(here.host, here.port, "/healthz")
        except OSError as error:
            last_answer = str(error)
            return False
        return status == 200

    count = f"{here.workers} worker{'s' * (here.workers > 1)}"
    title = f"Web server, {count} and 1 for speech" if hears else f"Web server and {count}"
    with step(title) as current:
        children.start("web", web_command(here), extra=WEB_ENVIRONMENT)
        children.start("worker", worker_command(here), extra=OFFLINE)
        if hears:
            # It waits during imports, so it can use all cores.
            children.start("speech", speech_command(here), extra={**OFFLINE, "WORKERS": "1"})
        children.start("beat", beat_command(), extra=OFFLINE)
        if not children.wait_until(is_healthy, WEB_START_TIMEOUT):
            raise LauncherError(
                f"The web server did not become healthy within {WEB_START_TIMEOUT:.0f} seconds. "
                f"Its last response: {last_answer}. Its log: {here.log_dir / 'web.log'}."
            )
        current.outcome = f"ready at {here.address}"
    children.enable_restarts()


def import_demo_film(here: Installation, children: Children) -> None:
    """Import the demo film if the installation has never had a film."""
    from django.db import connection

    from gallery.films.models import Film

    marker = here.var_dir / "demo-imported"
    film = here.base_dir / "demo" / "film.mp4"
    if not here.import_demo or marker.exists() or not film.is_file():
        return
    has_films = Film.objects.exists()
    connection.close()
    if not has_films:
        with step("Demo film") as current:
            current.end_line()
            command = [sys.executable, "manage.py", "import_film", str(film), "--wait"]
            title = read_demo_title(here)
            code = children.run("demo film", [*command, *(["--title", title] if title else [])])
            current.outcome = "imported" if code == 0 else "not imported; the lines above say why"
            if code:
                return
    marker.touch()


def read_demo_title(here: Installation) -> str:
    """Read the demo film's title from its ground truth; "" when that fails."""
    import json

    try:
        truth = json.loads((here.base_dir / "demo" / "ground_truth.json").read_text("utf-8"))
        return str(truth["title"]["en"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def describe_model() -> str:
    """Describe the model in use."""
    from gallery.clip.weights import current

    model = current()
    if model.is_demo:
        return "the small demo model, which recognises little beyond the demo film"
    return model.name


def describe_speech_model() -> str:
    """Describe the model that recognizes speech; "" when it is off."""
    from gallery.speech import model

    name = model.model_name()
    return f"{name}, not downloaded" if name and not model.is_ready() else name


def print_summary(here: Installation, login: Login | None) -> None:
    """Print addresses, login and folders."""
    if login and sys.stdout.isatty():  # never into a pipe, which may end up in a log
        how = f"{login.username} / {login.password}   shown only once, saved in {login.file}"
    else:
        how = describe_login(here.var_dir)
    address = f"{here.public_url}/" if here.public_url else here.address
    say()
    say(f"Search your films at  {address}")
    if here.address_in_network:
        say(f"  in your network     {here.address_in_network}")
    say(f"  admin, uploads      {address}admin/")
    say(f"  admin login         {how}")
    say(f"  model               {describe_model()}")
    if spoken := describe_speech_model():
        say(f"  speech model        {spoken}")
    say(f"  all state           {here.var_dir}")
    say(f"  logs                {here.log_dir}")
    say("  to stop             Ctrl-C")


def run(here: Installation, children: Children) -> None:
    """Start everything, then keep it running."""
    if is_disk_full(here.log_dir):
        raise LauncherError(
            f"The disk that holds {here.var_dir} is full. Free some space, then start again."
        )
    with step(f"Port {here.port} on {here.host}") as current:
        check_port(here.host, here.port)
        current.outcome = "free"
    start_redis(here, children)
    prepare(here, children)
    start_servers(here, children)
    import_demo_film(here, children)
    # Last, so that a new password stays visible on the screen.
    print_summary(here, ensure_login(here.var_dir))
    children.watch()


def main() -> int:
    """Run until stopped. Return the exit code: 0 if stopped, 1 after an error."""
    if "MAKELEVEL" in os.environ:
        end_with_parent()
    try:
        here = read_installation()
        say(f"Starting the installation in {here.var_dir}")
        with hold_run_lock(here.var_dir, here.address), contextlib.ExitStack() as stack:
            children = stack.enter_context(
                Children(here.log_dir, here.environment(), here.base_dir)
            )
            try:
                run(here, children)
            except Interrupted:
                say("\nStopping ...")
                children.stop()
                say("Stopped. `make run` continues where it left off.")
    except (LauncherError, ChildDied) as sentence:
        warn(f"\n{sentence}")
        return 1
    except (Interrupted, KeyboardInterrupt):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
