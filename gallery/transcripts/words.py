"""Text to words, the same way for lines and for what is searched: in any language.

A line is a sequence of terms. In scripts that put spaces between words (Latin, Cyrillic, Arabic
and so on) a term is a word, without case and accents, and beside it stands its stem in the line's
language. In those that do not (Chinese, Japanese, Thai), and in Korean, whose words end in
particles, each character is a term, and a word is a phrase of them.

Why characters for Chinese, and neither RediSearch's LANGUAGE chinese nor jieba on both sides: a
segmenter cuts a phrase otherwise than the sentence around it, and what is cut otherwise is not
found. Of 1,600 parts of 412 sentences (`python -m benchmarks dialogue`), found in the sentences
that hold them:

                           1       2       3       4       6 characters, cut anywhere
    LANGUAGE chinese      19 %    61 %    37 %    46 %    46 %
    jieba on both sides   20 %    64 %    42 %    48 %    46 %
    characters           100 %   100 %   100 %   100 %   100 %

and of phrases of 1, 2 or 3 whole words 86 to 93 %, 89 to 98 %, and 100 %. jieba cuts the query
only: into words that may stand apart in a line, when nobody says the phrase as it was typed.
Traditional characters count as their simplified ones.
"""

import logging
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import regex
from django.conf import settings

from gallery.transcripts.languages import UNKNOWN, base, simplified
from gallery.transcripts.stopwords import STOP_WORDS

MAX_TERM_LENGTH = 64  # characters
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_MORE = rf"[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]"
_TERM = regex.compile(
    rf"(?P<character>[{_UNSPACED}]\p{{M}}*)"
    # l'avion, d'accord: two words. don't, dog's: one.
    rf"|(?:[a-zA-Z]|[qQ][uU])(?=['’]\p{{L}}{{3}})"
    rf"|{_LETTER}{_MORE}*(?:['’ʼ]{_MORE}+)*",
    regex.V1,
)
_APOSTROPHES = str.maketrans("", "", "'’ʼ")
# Scripts whose marks are accents or points that people leave out. (Elsewhere they are vowels.)
_WITH_ACCENTS = regex.compile(r"[\p{Latin}\p{Greek}\p{Arabic}\p{Hebrew}]")

_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian",
    "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian",
    "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Term:
    """A term at `start` up to `end` of its text; `character`: of a script without spaces."""

    start: int
    end: int
    form: str
    character: bool


def terms(text: str) -> list[Term]:
    """The terms of a text, in their order."""
    return list(_terms(text))


def _terms(text: str) -> Iterator[Term]:
    for match in _TERM.finditer(text):
        character = match.lastgroup == "character"
        form = _form(match[0], character)
        if form:
            yield Term(match.start(), match.end(), form, character)


@lru_cache(maxsize=100_000)
def _form(written: str, character: bool) -> str:
    """How a term is kept: without case, width, accents and apostrophes; simplified Chinese."""
    form = unicodedata.normalize("NFKC", written).translate(_APOSTROPHES).casefold()
    if character:
        return "".join(simplified(one) for one in form if not one.isspace())
    if _WITH_ACCENTS.match(form):
        apart = unicodedata.normalize("NFD", form)
        form = "".join(c for c in apart if not unicodedata.combining(c))
    form = unicodedata.normalize("NFC", form).replace("ё", "е")
    return "".join(c for c in form if unicodedata.category(c)[0] in "LNM")[:MAX_TERM_LENGTH]


@lru_cache(maxsize=100_000)
def stem(form: str, language: str) -> str:
    """The stem of a word's form; as Latin letters are read in `language`.

    Foreign words among Chinese, and words of an unknown language, are taken for English.
    """
    algorithm = _ALGORITHMS.get(base(language))
    if algorithm is None:
        algorithm = "english" if form.isascii() else ""
    if not algorithm:
        return form
    # A stemmer of this library keeps what it is working on in itself.
    with _one_at_a_time:
        return str(_stemmer(algorithm).stemWord(form)) or form


@cache
def _stemmer(algorithm: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(algorithm)


def is_common(form: str, language: str) -> bool:
    """Whether a word says so little that a line may lack it: the, of, 的."""
    return form in _common(base(language))


@cache
def _common(language: str) -> frozenset[str]:
    unknown = STOP_WORDS["en"] + STOP_WORDS["zh"] if language == UNKNOWN else ""
    listed = STOP_WORDS.get(language, unknown)
    return frozenset("".join(term.form for term in terms(word)) for word in listed.split())


_HAN = regex.compile(r"\p{Han}+")
_OF_ONE_SCRIPT = regex.compile(
    r"\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+|[^\p{Han}\p{Hiragana}\p{Katakana}]+"
)


def parts(run: str) -> list[str]:
    """The words in a run of characters without spaces.

    Chinese as jieba cuts it; Japanese where its scripts change; others are not cut.
    """
    if _HAN.fullmatch(run):
        return [str(word) for word in _segmenter().cut(run)]
    return [match[0] for match in _OF_ONE_SCRIPT.finditer(run)]


@cache
def _segmenter() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    segmenter = jieba.Tokenizer()
    # By default it reads its cache from /tmp, where anybody could have put one.
    folder = settings.VAR_DIR / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    segmenter.tmp_dir = str(folder)
    with _one_at_a_time:
        segmenter.initialize()
    return segmenter
