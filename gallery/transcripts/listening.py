"""Transcribes the speech in films that have no subtitles in the language they speak.

What was recognized in a part is kept in the media store; at the end, it becomes subtitles. Text in
pictures is read first: subtitles in the picture make recognition unnecessary.
"""

import json
import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from gallery.films.catalogue import searchable
from gallery.films.film_job import Check, JobKind
from gallery.films.models import Film, FilmQuerySet
from gallery.media import sound, sound_samples, store
from gallery.media.cutting import ClipSpan
from gallery.media.store import RunFiles
from gallery.speech import model, recognizer, voices
from gallery.speech.types import SAMPLE_RATE, Samples, SpokenLine
from gallery.speech.voices import Condensed
from gallery.transcripts import languages, reading, subtitle_import
from gallery.transcripts.models import Subtitles, Transcription
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.types import LineKind

log = logging.getLogger(__name__)

VERSION = "Whisper 1"  # increase the number when films have to be listened to again
# Fewer subtitles translate signs and foreign words only.
MIN_LINES_PER_MINUTE = 1.0
# Seconds of speech that tell the language of a film; until then, each part tells its own.
MIN_SPEECH = 10.0

Part = tuple[str, float, list[SpokenLine]]
"""The BCP 47 tag of what is said in a part of a film ("": nothing is), how many seconds, lines."""


def find_unheard() -> FilmQuerySet:
    """Return ready films to listen to; none while speech is not recognized.

    Those whose pictures are still to be read come later.
    """
    if not model.is_ready():
        return Film.objects.none()
    is_heard = Q(speech_version=VERSION, speech_run=F("searchable_run"))
    films = searchable().filter(state=Film.State.READY, hears_speech=True)
    return films.exclude(is_heard).exclude(pk__in=reading.JOB.find_waiting().values("pk"))


def _needs_no_speech(film: Film) -> bool:
    """Return whether it is known, without listening, that there is nothing to write down."""
    if sound.choose_track(film.sound_tracks) is None:
        return True
    return bool(film.spoken_language) and has_subtitles_in(film, film.spoken_language)


def has_subtitles_in(film: Film, language: str) -> bool:
    """Return whether a film has subtitles of all that is said in a language (a BCP 47 tag)."""
    rows = film.subtitles.shown().of_kind(LineKind.SAID).exclude(source=Subtitles.Source.SPEECH)
    wanted = max(1.0, film.duration / 60 * MIN_LINES_PER_MINUTE)
    return any(
        row.line_count >= wanted and _spoken(row.language) == _spoken(language) for row in rows
    )


def _spoken(language: str) -> str:
    """Return the language of a tag as it is spoken: both written forms of Norwegian are one."""
    base = languages.base(language)
    return "no" if base in ("nb", "nn") else base


# --- parts ----------------------------------------------------------------------------------------


def _hear_part(film: Film, job: Transcription, position: int, check: Check) -> None:
    if _needs_no_speech(film):
        job.update(position=None, is_needless=True, attempts=0)
        return
    run = film.files.run(job.run)
    if position == 0:
        for path in _list_parts(run):
            path.unlink(missing_ok=True)
    end = min(position + settings.SEGMENT_SECONDS, max(position + 1, math.ceil(film.duration)))
    begin, samples = _read_sound(film, position, end)
    speech = voices.find_voices(samples)
    if end < film.duration:
        end = voices.find_pause(speech, (position + end) // 2, end)
        samples = samples[: round((end - begin) * SAMPLE_RATE)]
        speech = [voice for voice in speech if voice.start < end - begin]
    said = sum(voice.end - voice.start for voice in speech)
    language = ""
    lines: list[SpokenLine] = []
    if speech:
        condensed = voices.condense(samples, speech)
        language = film.spoken_language or job.language or _detect_language(condensed)
        if not job.language:
            job.update(language=_find_language(run, language, said))
        if job.language and has_subtitles_in(film, job.language):
            job.update(position=None, is_needless=True, attempts=0)
            return
        lines = list(_recognize(condensed, language, begin, check))
    check()
    job.check_exists()  # or a folder would be left of a film that was deleted meanwhile
    data = json.dumps([language, said, [astuple(line) for line in lines]], ensure_ascii=False)
    store.write_atomically(_part_file(run, position), lambda file: file.write(data.encode()))
    job.update(position=end if end < film.duration else None, attempts=0)


def _read_sound(film: Film, position: int, end: int) -> tuple[float, Samples]:
    """Return the sound from one second of a film to another, and when it begins exactly."""
    clock = film.clock
    clip = ClipSpan(
        film.files.playable(),
        film.probe,
        clock.frame(position),
        clock.frame_from(end),
        settings.MAX_FILM_PIXELS,
    )
    limit = settings.CELERY_TASK_SOFT_TIME_LIMIT
    return clip.start, sound_samples.read_samples(clip, SAMPLE_RATE, limit)


def _find_language(run: RunFiles, language: str, said: float) -> str:
    """Return the language of a film, by its parts and a new one; "" while too little is said."""
    seconds = defaultdict(float, {language: said})
    for path in _list_parts(run):
        other, spoken, _lines = _load_part(path)
        seconds[other] += spoken
    return max(seconds, key=seconds.__getitem__) if sum(seconds.values()) >= MIN_SPEECH else ""


def _detect_language(condensed: Condensed) -> str:
    return languages.tag(recognizer.get_recognizer().detect_language(condensed))


def _recognize(
    condensed: Condensed, language: str, begin: float, check: Check
) -> Iterator[SpokenLine]:
    """Yield what is said, in seconds of the film."""
    whisper = recognizer.get_recognizer()
    codes = {_spoken(languages.tag(code)): code for code in whisper.languages}
    code = codes.get(_spoken(language)) or whisper.detect_language(condensed)
    for lines in whisper.transcribe(condensed, code):
        check()
        for line in lines:
            yield SpokenLine(round(begin + line.start, 3), round(begin + line.end, 3), line.text)


def _part_file(run: RunFiles, position: int) -> Path:
    return run.folder / f"speech-{position:06d}.json"


def _list_parts(run: RunFiles) -> list[Path]:
    """Return the files of what was said in the parts of a film, in time order."""
    return sorted(run.folder.glob("speech-*.json"))


def _load_part(path: Path) -> Part:
    language, said, rows = json.loads(path.read_bytes())
    return language, said, [SpokenLine(*row) for row in rows]


# --- lines ----------------------------------------------------------------------------------------


def _store_lines(film: Film, job: Transcription, check: Check) -> None:
    """Replace the recognized subtitles of a film, one for each language that is spoken in it."""
    spoken: dict[str, list[SpokenLine]] = defaultdict(list)
    if not job.is_needless:
        for path in _list_parts(film.files.run(job.run)):
            language, _said, lines = _load_part(path)
            spoken[language] += lines
    check()
    with transaction.atomic():
        current = Film.objects.filter(pk=film.pk, searchable_run=job.run, hears_speech=True)
        if current.update(speech_run=job.run, speech_version=job.version):
            hidden = subtitle_import.remove_recognized(film, [Subtitles.Source.SPEECH])
            for language, lines in spoken.items():
                if lines and not has_subtitles_in(film, language):
                    _save(film, language, lines, hidden)
        Transcription.objects.filter(pk=job.pk).delete()
        transaction.on_commit(partial(subtitle_import.publish, film.pk))
    log.info("film %s: its speech: %d lines", film.pk, sum(map(len, spoken.values())))


def _save(
    film: Film, language: str, lines: Sequence[SpokenLine], hidden: set[tuple[str, str]]
) -> None:
    if language == "zh":  # the model does not say in which characters
        language = languages.detect_chinese("\n".join(line.text for line in lines))
    source = Subtitles.Source.SPEECH
    row = Subtitles(
        film=film, language=language, source=source, is_hidden=(source, language) in hidden
    )
    subtitle_import.save_lines(row, [Cue(line.start, line.end, line.text) for line in lines])


def forget(film: Film) -> None:
    """Remove what was recognized in a film. It is not listened to again unless it is asked."""
    subtitle_import.remove_recognized(film, [Subtitles.Source.SPEECH])
    Transcription.objects.filter(film=film).delete()


JOB = JobKind(
    name="listening",
    title="its speech",
    rows=Transcription,
    version=VERSION,
    find_films=find_unheard,
    do_part=_hear_part,
    finish=_store_lines,
    needs_file=True,
)
