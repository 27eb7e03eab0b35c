"""Transcribes speech with Whisper (Radford et al., 2022) as run by faster-whisper."""

import logging
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from gallery.clip.runtimes import has_gpu, inference_threads
from gallery.core.errors import ModelError
from gallery.speech import model
from gallery.speech.lines import to_lines
from gallery.speech.types import SpokenLine, Word
from gallery.speech.voices import Condensed

log = logging.getLogger(__name__)

# Whisper invents text for noise and music. It is unsure of it, or repeats itself, as its paper says
# in section 4.5: such segments are left out.
MIN_LOG_PROBABILITY = -1.0  # mean of a segment's tokens
MAX_COMPRESSION = 2.4  # length of a segment's text by its compressed length
DETECTION_WINDOWS = 4  # of 30 s, for the language


class Recognizer:
    """A model loaded from `folder`. Raises ModelError when it cannot be loaded."""

    def __init__(self, folder: Path) -> None:
        from faster_whisper import WhisperModel

        self._whisper: Any = None
        for device, precision in _targets():
            try:
                self._whisper = WhisperModel(
                    str(folder),
                    device=device,
                    compute_type=precision,
                    cpu_threads=inference_threads(),
                    local_files_only=True,
                )
                self.target = f"{precision}, {device.upper()}"
                return
            except Exception as error:  # the libraries raise many unrelated errors
                log.warning("speech cannot be recognized on %s: %s", device, error)
                reason = error
        raise ModelError(
            _("The speech model in %(folder)s cannot be loaded: %(reason)s")
            % {"folder": folder, "reason": str(reason).partition("\n")[0]}
        )

    @property
    def languages(self) -> Sequence[str]:
        """The codes of the languages that it recognizes."""
        return list(self._whisper.supported_languages)

    def detect_language(self, sound: Condensed) -> str:
        """Return the code of the language that is spoken."""
        if not self._whisper.model.is_multilingual:
            return "en"
        code, _probability, _all = self._whisper.detect_language(
            sound.samples, language_detection_segments=DETECTION_WINDOWS
        )
        return str(code)

    def transcribe(self, sound: Condensed, language: str) -> Iterator[list[SpokenLine]]:
        """Yield what is said, in time order, as it is recognized. Times are of the whole sound.

        `language`: a code of `languages`.
        """
        segments, _info = self._whisper.transcribe(
            sound.samples,
            language=language,
            word_timestamps=True,
            # Otherwise one invented text leads to the next.
            condition_on_previous_text=False,
        )
        for segment in segments:
            is_sure = segment.avg_logprob >= MIN_LOG_PROBABILITY
            words = (
                segment.words if is_sure and segment.compression_ratio <= MAX_COMPRESSION else ()
            )
            yield to_lines(
                [
                    Word(*sound.original_span(float(word.start), float(word.end)), word.word)
                    for word in words or ()
                ]
            )


def _targets() -> Iterator[tuple[str, str]]:
    """Yield devices and precisions in order of preference."""
    if settings.CLIP_DEVICE != "cpu" and has_gpu():
        yield "cuda", "float16"
    yield "cpu", "int8"


@cache
def _load(folder: Path) -> Recognizer:
    return Recognizer(folder)


def get_recognizer() -> Recognizer:
    """Return this process's recognizer, loaded at the first call. Raises ModelError."""
    folder = model.local_folder()
    if folder is None:
        raise ModelError(_("There is no model for speech: see SPEECH_MODEL."))
    return _load(folder)


def release() -> None:
    """Free the memory of the model, 0.2 to 3 GB, until it is needed again."""
    _load.cache_clear()
