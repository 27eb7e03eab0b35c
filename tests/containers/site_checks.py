"""Checks the running site: import, search, login, clips, burnt-in subtitles."""

import json
import re
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from tests.containers.running import Container
from tests.containers.site import API_TOKEN, Site

ROOT = Path(__file__).resolve().parents[2]
# Words and the scope to search. Text in pictures is left out, because it may not be read yet.
SEARCHES = (
    ("an astronaut at night", "seen"),
    ("宇航员", "seen"),
    ("a dog in the snow", "seen"),
    ("flight does not stop", "said"),
)
SCRATCH = "scratch"  # a folder in the volume of the site, for files that the image's FFmpeg reads
EXPORT_TIMEOUT = 300.0  # seconds
MIN_READ = 0.8  # of the characters of a line

# One line per frame that FFmpeg decodes.
COUNT_FRAMES = """
import subprocess, sys
from imageio_ffmpeg import get_ffmpeg_exe
lines = subprocess.run(
    [get_ffmpeg_exe(), "-v", "error", "-i", sys.argv[1], "-map", "0:v", "-f", "framemd5", "-"],
    check=True, capture_output=True, text=True,
).stdout.splitlines()
print(sum(not line.startswith("#") for line in lines))
"""
# Prints what the product's own reader recognizes in the middle of a film.
READ_FRAME = """
import json, os, subprocess, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "imgsearch.settings"
import django
django.setup()
from PIL import Image
from gallery.media import ffmpeg
from gallery.ocr.reader import get_reader
subprocess.run(
    [
        *(ffmpeg.binary(), "-v", "error", "-y", "-ss", sys.argv[2], "-i", sys.argv[1]),
        *("-frames:v", "1", sys.argv[3]),
    ],
    check=True,
)
reader = get_reader()
rows = reader.find(Image.open(sys.argv[3]))
print(json.dumps([text for text, score in reader.recognize([row for corners, row in rows])]))
"""


class SiteChecks:
    """Uses the site as people do. Each check returns a sentence about its result.

    The checks raise AssertionError, HTTPError and ServiceError.
    """

    def __init__(self, web: Container, url: str) -> None:
        self.web = web
        self.site = Site(url)
        self._truth = json.loads((ROOT / "demo" / "ground_truth.json").read_text("utf-8"))
        self._data = web.environment["VAR_DIR"]
        self._hits: list[list[int]] = []

    def check_health_page(self) -> str:
        """Wait until /healthz reports that database, index and worker are ok."""
        for _ in range(60):
            state = self.site.get_json("/healthz")
            if {state[name] for name in ("database", "index", "worker")} == {"ok"}:
                return f"/healthz: {json.dumps(state)}"
            time.sleep(1)
        raise AssertionError(f"/healthz: {state}")

    def import_demo(self) -> str:
        """Import the demo film with the command from docs/containers.md."""
        begin = time.monotonic()
        self.web.execute("python", "manage.py", "import_film", "demo/film.mp4", "--wait")
        (film,) = self.site.get_json("/api/v1/films")["results"]
        assert film["shots"] == len(self._truth["shots"]), film
        assert {"en", "zh"} <= set(film["languages"]), film
        took = time.monotonic() - begin
        counts = f"{film['shots']} shots, {film['frames']} frames"
        return f"{self._truth['duration']:.0f} s of film: {counts}, {took:.0f} s"

    def search(self) -> str:
        """Search in pictures and dialogue. After a restart, the hits must be the same."""
        wanted = {
            **{row["text"]: row["shots"] for row in self._truth["queries"]},
            **{row["text"]: [row["shot"]] for row in self._truth["dialogue_queries"]},
        }
        found = [
            [hit["shot"]["number"] for hit in self.site.search(words, where)]
            for words, where in SEARCHES
        ]
        for (words, _where), shots in zip(SEARCHES, found, strict=True):
            assert shots[0] in wanted[words], (words, shots)
        assert self._hits in ([], found), ("not as before the restart", self._hits, found)
        self._hits = found
        assert "/frames/" in self.site.get("/?q=an+astronaut").decode()
        best = (
            f"{words!r} in shot {shots[0]}"
            for (words, _where), shots in zip(SEARCHES, found, strict=True)
        )
        return f"found {', '.join(best)}"

    def log_in(self) -> str:
        """Log in to the admin with the saved login, and create an API token."""
        saved = self.web.execute("cat", f"{self._data}/admin-login.txt")
        login = dict(line.split(": ", 1) for line in saved.splitlines())
        page = self.site.send_form("/admin/login/?next=/admin/gallery/film/", login)
        assert "logout" in page, "The admin did not accept the login."
        page = self.site.send_form("/account/tokens/", {"name": "containers"})
        match = API_TOKEN.search(page)
        assert match, "There is no new token on the page."
        self.site.token = match[1]
        assert self.site.get_json("/api/v1/me")
        return f"{login['username']} is logged in to the admin and has an API token"

    def cut_clip(self) -> str:
        """Download a clip, and check its number of frames."""
        scene = self.site.search("an astronaut at night", "seen")[0]["scene"]
        frames = int(self.web.execute("python", "-c", COUNT_FRAMES, self._download(scene)))
        assert frames == scene["end_frame"] - scene["first_frame"], frames
        return f"{scene['timecode_in']} to {scene['timecode_out']}: {frames} frames"

    def burn_in_subtitles(self) -> str:
        """Export films with burnt-in subtitles in the image's fonts, and read them by OCR."""
        line = self._truth["dialogue"][0]
        film = self.site.search("a cat on the grass", "seen")[0]["film"]["id"]
        board = self.site.post_json("/api/v1/boards", {"name": "containers"})["url"]
        scene = {"film": film, "start": line["start"], "end": line["end"]}
        self.site.post_json(f"{board}/scenes", scene)
        read = {language: self._read_burnt(board, language) for language in ("en", "zh")}
        for language, seen in read.items():
            assert _contains(seen, line[language]), (seen, line[language])
            assert re.search(r"\d\d:\d\d:\d\d", seen), f"There is no timecode in {seen!r}."
        return f"read in the pictures: {read}"

    def _read_burnt(self, board: str, language: str) -> str:
        choices = {"size": "720", "subtitles": "burnt", "language": language, "timecode": True}
        export = self.site.post_json(f"{board}/film", choices)
        end = time.monotonic() + EXPORT_TIMEOUT
        while export["state"] in ("waiting", "running") and time.monotonic() < end:
            time.sleep(1)
            export = self.site.get_json(export["url"])
        assert export["state"] == "done", export
        path = self._save(self.site.get(export["download"]), f"{language}.mp4")
        picture = f"{Path(path).parent}/{language}.png"
        rows = self.web.execute("python", "-c", READ_FRAME, path, "1", picture)
        return " ".join(json.loads(rows.splitlines()[-1]))

    def _download(self, scene: dict[str, Any]) -> str:
        return self._save(self.site.get(scene["exact_clip"]), "clip.mp4")

    def _save(self, data: bytes, name: str) -> str:
        """Write a file to the volume of the site. Return its path in the container."""
        folder = self.web.volumes[self._data] / SCRATCH
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        (folder / name).write_bytes(data)
        return f"{self._data}/{SCRATCH}/{name}"


def _contains(seen: str, written: str) -> bool:
    """Return whether most of a text was read: OCR makes mistakes."""
    one, other = ("".join(filter(str.isalnum, text)).lower() for text in (written, seen))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= MIN_READ * len(one)
