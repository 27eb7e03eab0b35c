"""Store a backup of this version for tests of later ones: `python -m tests.release`.

Creates a small installation with one film and rows in every table that users fill, and backs it up
to tests/releases/VERSION. tests/integration/test_upgrades.py restores all of these.
"""

import os
import shutil
from pathlib import Path

from tests import settings as _environment  # sets the environment of the tests, in a new folder

RELEASES = Path(__file__).resolve().parent / "releases"
TITLE, LINE, NOTE = "A Film of Colours", "The kettle is on.", "for the opening"
PROMPT, SCRIPT, BOARD_TOKEN = "a red picture", "something green", "upgrade-test-board"


def fill(folder: Path) -> None:
    """Import a film, and create a board, a storyboard, a label, a user and a token."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from gallery.accounts.models import ApiToken
    from gallery.boards.models import Board, BoardScene
    from gallery.labels.models import Label
    from gallery.storyboards.models import Storyboard, StoryboardRow
    from gallery.transcripts import subtitle_import
    from tests.films import make_moving_scenes
    from tests.importing import add_film, import_here

    film = import_here(add_film(make_moving_scenes(folder / "colours.mp4", 3), TITLE))
    srt = f"1\n00:00:01,000 --> 00:00:02,500\n{LINE}\n"
    subtitle_import.add_subtitles(film, "colours.en.srt", srt.encode())
    ada = User.objects.create_superuser("ada", last_login=timezone.now())
    ApiToken.objects.create(user=ada, name="script", digest="0" * 64)
    board = Board.objects.create(owner=ada, name="Colours", token=BOARD_TOKEN)
    BoardScene.objects.create(board=board, film=film, start=0, end=2.5, second=1, note=NOTE)
    storyboard = Storyboard.objects.create(owner=ada, name="Script")
    StoryboardRow.objects.create(storyboard=storyboard, position=0, text=SCRIPT)
    Label.objects.create(name="Red", prompts=PROMPT, threshold=1.0)


def keep() -> None:
    """Make the backup, replacing an earlier one of this version."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from gallery.backup import sources
    from imgsearch.local import redis_server

    # The test settings contain local folders.
    for name in sources.SETTINGS:
        os.environ.pop(name, None)
    target = RELEASES / settings.VERSION
    shutil.rmtree(target, ignore_errors=True)
    with redis_server.running(settings.VAR_DIR):
        call_command("migrate", verbosity=0)
        fill(settings.VAR_DIR)
        call_command("backup", str(target))
    (target / ".lock").unlink()


if __name__ == "__main__":
    try:
        keep()
    finally:
        shutil.rmtree(_environment.VAR, ignore_errors=True)
