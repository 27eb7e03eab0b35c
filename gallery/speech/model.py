"""Which model recognizes speech, and where its files are.

Knows the hub and the disk, but does not import faster-whisper: all processes ask it.
"""

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.clip.runtimes import has_gpu
from gallery.core import model_hub
from gallery.core.errors import ModelError

GPU_MODEL = "Systran/faster-whisper-large-v3"  # where SPEECH_MODEL is auto
# Of a Whisper that was converted for CTranslate2.
FILES = ("model.bin", "config.json", "tokenizer.json")
VOCABULARY = "vocabulary.*"  # JSON, or a line for each token


def model_name() -> str:
    """Return the model's hub id or folder; "" when speech is not recognized."""
    if settings.SPEECH_MODEL == "auto":
        return GPU_MODEL if has_gpu() else ""
    return "" if settings.SPEECH_MODEL == "off" else str(settings.SPEECH_MODEL)


def local_folder() -> Path | None:
    """Return the folder of the model on this disk; None when it is off or not downloaded.

    Raises ModelError when SPEECH_MODEL is a folder without a model.
    """
    name = model_name()
    if not name:
        return None
    if not model_hub.is_folder(name):
        return model_hub.cached_folder(name, FILES)
    folder = Path(name).expanduser()
    missing = [file for file in (*FILES, VOCABULARY) if not any(folder.glob(file))]
    if missing:
        raise ModelError(
            _(
                "SPEECH_MODEL points to %(folder)s, but that folder has no %(file)s. It must hold "
                "a Whisper model converted for CTranslate2."
            )
            % {"folder": folder, "file": missing[0]}
        )
    return folder


def is_ready() -> bool:
    """Return whether speech can be recognized: it is on, and the model is on this disk."""
    try:
        return local_folder() is not None
    except ModelError:
        return False


def download() -> Path:
    """Download the model, with progress bars on the terminal. Raises ModelError."""

    def choose(names: Sequence[str]) -> Sequence[str]:
        return (*FILES, VOCABULARY, "preprocessor_config.json") if set(FILES) <= set(names) else ()

    return model_hub.download(model_name(), choose)
