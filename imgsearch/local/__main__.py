"""`make run`: everything that one installation needs, started in order and stopped together."""

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
from imgsearch.local.lock import only_one
from imgsearch.local.login import Login, ensure_login, where_login_is_kept
from imgsearch.local.port import ask, check_port
from imgsearch.local.prepare import (
    check_ffmpeg,
    prepare_database,
    prepare_static_files,
    prepare_translations,
)
from imgsearch.local.terminal import Refusal, say, step, warn

# The servers never ask the hub for a model: the step before them has fetched it.
OFFLINE = {"HF_HUB_OFFLINE": "1"}
# Queries are short, and most are words: the web server leaves the GPU, and most threads, to the
# workers, and keeps what embeds pictures for a minute only.
WEB_ENVIRONMENT = {
    **OFFLINE,
    "CLIP_DEVICE": "cpu",
    "CLIP_THREADS": "2",
    "CLIP_IDLE_SECONDS": "60",
    "REDIS_TIMEOUT": "3",
}
WEB_PROCESSES = min(2, os.cpu_count() or 1)  # one cannot use a second core; each takes 300 MB
WEB_PATIENCE = 120.0


def start_redis(here: Installation, children: Children) -> None:
    """Start the embedded server, or look at the given one."""
    if not here.redis_is_embedded:
        shown = redis_server.without_password(here.redis_url)
        with step(f"Redis at {shown}") as current:
            current.outcome = f"version {redis_server.check_given(here.redis_url, current.note)}"
        return
    with step("Embedded Redis with RediSearch") as current:
        if redis_server.stop_leftover(here.var_dir):
            current.note("A server from an earlier run was still running and has been stopped.")
        children.start("redis", redis_server.command(here.var_dir), foundation=True)
        redis_server.wait_ready(here.redis_url, current.note, children.check)
        current.outcome = "ready"


def prepare(here: Installation, children: Children) -> None:
    """Database, translations, static files, and the model."""
    from gallery.clip.runtimes import has_gpu

    with step("FFmpeg") as current:
        check_ffmpeg(current)
    with step("Database") as current:
        prepare_database(current)
    with step("Translations") as current:
        prepare_translations(current, here.base_dir / "locale")
    with step("Static files"):
        prepare_static_files()
    with step("Model") as current:
        commands = missing_for_model()
        if commands:
            current.let_others_print()
        else:
            current.outcome = "ready"
        for name in commands:
            if children.run("model", [sys.executable, "manage.py", name]):
                raise Refusal("The model could not be prepared. See the lines above.")
        if has_gpu():
            # The workers use the GPU, the web server does not: it needs a model of its own.
            children.run("model", [sys.executable, "manage.py", "prepare_model"], WEB_ENVIRONMENT)


def missing_for_model() -> list[str]:
    """The commands that make the model ready; none when it is here and converted."""
    from django.conf import settings

    from gallery.clip import conversion, encoder, shot_network, weights
    from gallery.core.errors import ModelError

    try:
        if weights.local_folder(settings.CLIP_MODEL) is None:
            return ["fetch_model", "prepare_model"]
        model, targets = weights.current(), encoder.targets()
    except (ModelError, OSError, ValueError):
        return ["fetch_model", "prepare_model"]  # they say what is wrong
    is_ready = conversion.is_prepared(model, targets) and shot_network.is_prepared()
    return [] if is_ready else ["prepare_model"]


def web_command(here: Installation) -> list[str]:
    """Few processes: Python runs on one core at a time in each. See `imgsearch.webserver`."""
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
    """The Celery worker; quiet, because its banner cannot be printed to a log on a full disk."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "imgsearch", "worker", "--pool=prefork",
        f"--concurrency={here.workers}", "--loglevel=info",
        f"--hostname=films-{here.port}@%h", "--without-mingle", "--without-gossip",
    ]  # fmt: skip


def beat_command() -> list[str]:
    """Celery's beat, which queues the periodic tasks. Without a PID file, which a crash leaves."""
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "imgsearch.beat", "beat",
        "--pidfile=", "--loglevel=warning",
    ]  # fmt: skip


def start_servers(here: Installation, children: Children) -> None:
    """Start web server, worker and beat, and wait until the web server answers."""
    said = "nothing"

    def answers() -> bool:
        nonlocal said
        try:
            status, said = ask(here.host, here.port, "/healthz")
        except OSError as error:
            said = str(error)
            return False
        return status == 200

    with step(f"Web server and {here.workers} worker{'s' * (here.workers > 1)}") as current:
        children.start("web", web_command(here), extra=WEB_ENVIRONMENT)
        children.start("worker", worker_command(here), extra=OFFLINE)
        children.start("beat", beat_command(), extra=OFFLINE)
        if not children.wait_until(answers, WEB_PATIENCE):
            raise Refusal(
                f"The web server did not become healthy within {WEB_PATIENCE:.0f} seconds. It "
                f"said: {said}. Its log is {here.log_dir / 'web.log'}."
            )
        current.outcome = f"ready at {here.address}"
    children.restart_dead()


def import_demo_film(here: Installation, children: Children) -> None:
    """Import the demo film into an installation that never had a film."""
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
            current.let_others_print()
            command = [sys.executable, "manage.py", "import_film", str(film), "--wait"]
            title = demo_title(here)
            code = children.run("demo film", [*command, *(["--title", title] if title else [])])
            current.outcome = "imported" if code == 0 else "not imported; the lines above say why"
            if code:
                return
    marker.touch()


def demo_title(here: Installation) -> str:
    """The demo film's title, from the file that says what is in it."""
    import json

    try:
        truth = json.loads((here.base_dir / "demo" / "ground_truth.json").read_text("utf-8"))
        return str(truth["title"]["en"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def model_in_words() -> str:
    """Which model answers the searches."""
    from gallery.clip.weights import current

    model = current()
    if model.is_demo:
        return "the small demo model: it knows what the demo film shows, and little else"
    return model.name


def tell(here: Installation, login: Login | None) -> None:
    """Everything a person needs to go on, in one block."""
    if login and sys.stdout.isatty():  # a pipe may end in a log, and systemd's does
        how = f"{login.username} / {login.password}   shown only once, saved in {login.file}"
    else:
        how = where_login_is_kept(here.var_dir)
    address = f"{here.public_url}/" if here.public_url else here.address
    say()
    say(f"Search your films at  {address}")
    if here.address_in_network:
        say(f"  in your network     {here.address_in_network}")
    say(f"  admin, uploads      {address}admin/")
    say(f"  admin login         {how}")
    say(f"  model               {model_in_words()}")
    say(f"  all state           {here.var_dir}")
    say(f"  logs                {here.log_dir}")
    say("  to stop             Ctrl-C")


def run(here: Installation, children: Children) -> None:
    """The steps of a start, then the watch."""
    if is_disk_full(here.log_dir):
        raise Refusal(
            f"The disk that holds {here.var_dir} is full. Free some space, then start again."
        )
    with step(f"Port {here.port} on {here.host}") as current:
        check_port(here.host, here.port)
        current.outcome = "free"
    start_redis(here, children)
    prepare(here, children)
    start_servers(here, children)
    import_demo_film(here, children)
    # Last of all, so that the password is on the screen whenever it has been made.
    tell(here, ensure_login(here.var_dir))
    children.watch()


def main() -> int:
    """Run until told to stop. Returns the exit code: 0 when stopped, 1 when something failed."""
    if "MAKELEVEL" in os.environ:
        end_with_parent()
    try:
        here = read_installation()
        say(f"Starting the installation in {here.var_dir}")
        with only_one(here.var_dir, here.address), contextlib.ExitStack() as stack:
            children = stack.enter_context(
                Children(here.log_dir, here.environment(), here.base_dir)
            )
            try:
                run(here, children)
            except Interrupted:
                say("\nStopping ...")
                children.stop()
                say("Stopped. Nothing is lost; `make run` continues where it left off.")
    except (Refusal, ChildDied) as sentence:
        warn(f"\n{sentence}")
        return 1
    except (Interrupted, KeyboardInterrupt):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
