"""What the users and the admin of `soak` do."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

from benchmarks.film import FILM
from benchmarks.lengthen import lengthen

ROOT = Path(__file__).resolve().parent.parent
THINK_SECONDS = (0.5, 3.0)  # between two requests of a user
IMPORT_SECONDS = 60.0  # between two imports
FILM_SECONDS = (15, 45)  # of an imported film
FILM_HEIGHT = 240  # pixels
FILMS_KEPT = 8  # besides the demo film; beyond that the oldest is deleted
REQUEST_TIMEOUT = 60.0  # seconds
EXPORT_TIMEOUT = 120.0  # seconds
RECOVERY_SECONDS = 30.0  # after Redis was killed, in which 503 is the right response
BUSY = ("clip", "exact clip", "animation", "still")  # 503: too many clips are being rendered
# 404: its film was deleted meanwhile. 429: too many requests.
EXPECTED = {200, 201, 202, 204, 206, 404, 429}
# Ignore proxies of the environment.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Site:
    """The installation as its users see it; counts the responses."""

    def __init__(self, port: int) -> None:
        from django.contrib.auth import get_user_model

        from gallery.accounts import tokens

        self.address = f"http://127.0.0.1:{port}"
        user = get_user_model().objects.get(is_superuser=True)
        self.token = tokens.create_token(user.pk, "soak")[1]
        self.imported = self.deleted = 0
        self.failures: list[str] = []
        self._answers: dict[str, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()
        self._fault_at = -RECOVERY_SECONDS

    def request(
        self,
        kind: str,
        address: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> bytes | None:
        """Request a URL and count the response. Return the body, None for an error."""
        if not address.startswith("http"):
            address = self.address + address
        if urlsplit(address).path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        request = urllib.request.Request(address, data, dict(headers or {}), method=method)
        try:
            with OPENER.open(request, timeout=REQUEST_TIMEOUT) as response:
                body: bytes = response.read()
        except urllib.error.HTTPError as error:
            self._count(kind, str(error.code), address)
            return None
        except OSError as error:
            self._count(kind, type(getattr(error, "reason", error)).__name__, address)
            return None
        self._count(kind, str(response.status), address)
        return body

    def ask(self, kind: str, address: str, given: Any = None, method: str | None = None) -> Any:
        """Call the API with JSON. Return the JSON of the response, None for an error."""
        data = None if given is None else json.dumps(given).encode()
        body = self.request(kind, address, data, {"Content-Type": "application/json"}, method)
        return json.loads(body) if body else None

    def _count(self, kind: str, answer: str, address: str) -> None:
        is_recovering = time.monotonic() - self._fault_at < RECOVERY_SECONDS
        is_busy = answer == "503" and (is_recovering or kind in BUSY)
        good = is_busy or (answer.isdigit() and int(answer) in EXPECTED)
        if is_recovering and answer == "503":
            answer = "503 after Redis was killed"
        with self._lock:
            self._answers[kind][answer] += 1
            if not good:
                self.failures.append(f"{kind} {answer} {address}")
                print(f"failed: {kind} {answer} {address}", flush=True)

    def note_fault(self) -> None:
        """Record that Redis was killed: 503 is expected for some seconds."""
        self._fault_at = time.monotonic()

    def total(self) -> int:
        """Return the number of responses."""
        with self._lock:
            return sum(sum(answers.values()) for answers in self._answers.values())

    def failed(self) -> int:
        """Return the number of wrong responses."""
        return len(self.failures)

    def table(self) -> dict[str, dict[str, int]]:
        """Return the number of each response, by kind of request."""
        return {kind: dict(answers) for kind, answers in sorted(self._answers.items())}


# --- users ----------------------------------------------------------------------------------------


def use(site: Site, number: int, stop: threading.Event) -> None:
    """Run the actions of a user, one after another."""
    from gallery.search.baseline import WORDS

    rng = random.Random(number)
    words = WORDS["en"].split() + WORDS["zh"].split()
    actions: list[tuple[int, Callable[[Site, random.Random, list[Any]], None]]] = [
        *((6, look_at_scene), (2, look_like), (2, play), (2, save), (1, animate)),
        *((2, search_picture), (1, keep_board), (1, read_pages)),
    ]
    weights = [weight for weight, _action in actions]
    while not stop.wait(rng.uniform(*THINK_SECONDS)):
        query = quote_plus(" ".join(rng.sample(words, 2)))
        site.request("search page", f"/?q={query}")
        found = site.ask("search", f"/api/v1/search?q={query}")
        hits = found["results"] if found else []
        if hits:
            rng.choices(actions, weights)[0][1](site, rng, hits)


def look_at_scene(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Open a hit."""
    hit = rng.choice(hits)
    site.request("thumbnail", hit["frame"]["thumbnail"])
    site.request("scene page", hit["frame"]["page"])


def look_like(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Search for scenes like a hit, and ask for probabilities of words."""
    frame = rng.choice(hits)["frame"]
    site.request("similar", f"{frame['url']}/similar")
    site.request("probabilities", f"{frame['url']}/probabilities?word=dog&word=cat")


def play(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Play a hit."""
    site.request("clip", rng.choice(hits)["scene"]["clip"])


def save(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Save a hit and a still of it."""
    hit = rng.choice(hits)
    site.request("exact clip", hit["scene"]["exact_clip"], headers={"Range": "bytes=0-99999"})
    site.request("still", hit["frame"]["still"])


def animate(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Save a hit as an animation."""
    site.request("animation", rng.choice(hits)["scene"][rng.choice(("gif", "webp"))])


def search_picture(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Search with a picture: the thumbnail of a hit."""
    picture = site.request("thumbnail", rng.choice(hits)["frame"]["thumbnail"])
    if not picture:
        return
    head = 'Content-Disposition: form-data; name="picture"; filename="picture.jpg"'
    body = b"".join(
        [f"--part\r\n{head}\r\n\r\n".encode(), picture, b"\r\n--part--\r\n"],
    )
    kind = {"Content-Type": "multipart/form-data; boundary=part"}
    kept = site.request("keep picture", "/api/v1/pictures", body, kind)
    if kept:
        site.request("search page", f"/?picture={json.loads(kept)['picture']}")


def read_pages(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Look at the films, and at one of them."""
    site.request("films page", "/films/")
    site.request("film page", f"/films/{rng.choice(hits)['film']['id']}/?q=dog")
    site.request("health", "/healthz")


def keep_board(site: Site, rng: random.Random, hits: list[Any]) -> None:
    """Create a board, export it, and delete it."""
    board = site.ask("boards", "/api/v1/boards", {"name": f"Board {rng.random()}"})
    if not board:
        return
    for hit in rng.sample(hits, min(3, len(hits))):
        scene = {
            "film": hit["film"]["id"],
            "start": hit["scene"]["start"],
            "end": hit["scene"]["end"],
        }
        site.ask("boards", f"{board['url']}/scenes", scene)
    export = site.ask("exports", f"{board['url']}/exports", {})
    end = time.monotonic() + EXPORT_TIMEOUT
    while export and export["state"] not in ("done", "failed") and time.monotonic() < end:
        time.sleep(1.0)
        export = site.ask("exports", export["url"])
    if export and export["state"] == "done":
        site.request("zip", export["download"])
    if rng.random() < 0.8:
        site.ask("boards", board["url"], method="DELETE")


# --- the administrator ----------------------------------------------------------------------------


def import_and_delete(site: Site, stop: threading.Event) -> None:
    """Import a film every minute, and delete the oldest when there are many."""
    from django.db import connection

    rng, number = random.Random(0), 0
    folder = Path(os.environ["VAR_DIR"]) / "soak-films"
    folder.mkdir(exist_ok=True)
    while not stop.wait(IMPORT_SECONDS if number else 0):
        path = folder / f"film-{number}.mp4"
        # The length makes the films differ.
        lengthen(FILM, path, rng.uniform(*FILM_SECONDS), FILM_HEIGHT)
        command = [sys.executable, "manage.py", "import_film", str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            site.imported += 1
        else:
            site.failures.append(f"import_film: {done.stderr[-300:]}")
        path.unlink()
        number += 1
        delete_oldest(site)
        connection.close()
    shutil.rmtree(folder)


def delete_oldest(site: Site) -> None:
    """Delete the oldest imported films, in any state, beyond FILMS_KEPT."""
    from gallery.core.errors import GalleryError
    from gallery.films.models import Film

    films = list(Film.objects.exclude(original_name=FILM.name).order_by("pk"))
    for film in films[:-FILMS_KEPT]:
        try:
            film.delete()
        except GalleryError as error:
            print(f"not deleted now: {error}", flush=True)
        else:
            site.deleted += 1


def settle(limit: float) -> str:
    """Wait until no work is left. Return what is wrong then, or ""."""
    from django.db import connection

    from gallery.boards.models import Export
    from gallery.films.models import Film

    end = time.monotonic() + limit
    while time.monotonic() < end:
        with contextlib.closing(connection):
            unfinished = Film.objects.filter(state__in=Film.UNFINISHED).count()
            exports = Export.objects.exclude(
                state__in=[Export.State.DONE, Export.State.FAILED]
            ).count()
            failed = list(Film.objects.filter(state=Film.State.FAILED).values_list("error"))
        if not unfinished and not exports:
            return f"films failed: {failed}" if failed else ""
        time.sleep(2.0)
    return f"after {limit:.0f} s, {unfinished} films and {exports} exports are still under way"
