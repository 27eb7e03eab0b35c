"""Splits text into tokens, identically for lines and for queries, in any language.

In scripts with spaces between words (Latin, Cyrillic, Arabic and so on) a token is a word, without
case and accents, and its stem in the line's language is indexed beside it. In scripts without
spaces (Chinese, Japanese, Thai), and in Korean, whose words end in particles, each character is a
token, and a word is a phrase of characters.

Why characters for Chinese, and neither RediSearch's LANGUAGE chinese nor jieba on both sides: a
segmenter cuts a phrase differently from the sentence around it, and then does not find it. Of 1,600
parts of 412 sentences (`python -m benchmarks dialogue`), found in the sentences that contain them:

                           1       2       3       4       6 characters, cut anywhere
    LANGUAGE chinese      19 %    61 %    37 %    46 %    46 %
    jieba on both sides   20 %    64 %    42 %    48 %    46 %
    characters           100 %   100 %   100 %   100 %   100 %

and of phrases of 1, 2 or 3 whole words 86 to 93 %, 89 to 98 %, and 100 %. jieba only cuts the
query: into words that may stand apart in a line if no line contains the phrase as typed.
Traditional characters are indexed as simplified ones.
"""

import logging
import threading
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import regex
from babel import Locale
from django.conf import settings

from gallery.transcripts.languages import UNKNOWN, base, simplified
from gallery.transcripts.stopwords import STOP_WORDS

MAX_TOKEN_LENGTH = 64  # characters
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_MORE = rf"[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]"
_TOKEN = regex.compile(
    rf"(?P<character>[{_UNSPACED}]\p{{M}}*)"
    # l'avion and d'accord are two words, don't and dog's one.
    rf"|(?:[a-zA-Z]|[qQ][uU])(?=['’]\p{{L}}{{3}})"
    rf"|{_LETTER}{_MORE}*(?:['’ʼ]{_MORE}+)*",
    regex.V1,
)
_APOSTROPHES = str.maketrans("", "", "'’ʼ")
# Scripts whose combining marks are often omitted. (In others they are vowels.)
_WITH_ACCENTS = regex.compile(r"[\p{Latin}\p{Greek}\p{Arabic}\p{Hebrew}]")

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Token:
    """A token from `start` to `end` of its text; `character`: it is of a script without spaces."""

    start: int
    end: int
    form: str
    unspaced: bool


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text in order."""
    tokens = []
    for match in _TOKEN.finditer(text):
        unspaced = match.lastgroup == "character"
        if form := _normalize(match[0], unspaced):
            tokens.append(Token(match.start(), match.end(), form, unspaced))
    return tokens


@lru_cache(maxsize=100_000)
def _normalize(written: str, unspaced: bool) -> str:
    """Normalize a token: no case, width, accents or apostrophes; simplified Chinese."""
    form = unicodedata.normalize("NFKC", written).translate(_APOSTROPHES).casefold()
    if unspaced:
        return "".join(simplified(char) for char in form if not char.isspace())
    if _WITH_ACCENTS.match(form):
        decomposed = unicodedata.normalize("NFD", form)
        form = "".join(c for c in decomposed if not unicodedata.combining(c))
    form = unicodedata.normalize("NFC", form).replace("ё", "е")
    return "".join(c for c in form if unicodedata.category(c)[0] in "LNM")[:MAX_TOKEN_LENGTH]


@lru_cache(maxsize=100_000)
def stem(form: str, language: str) -> str:
    """Return the stem of a normalized word, in the given language.

    Latin words in a language without a stemmer are treated as English.
    """
    stemmer = _stemmer(base(language)) or (_stemmer("en") if form.isascii() else None)
    if stemmer is None:
        return form
    # Stemmers of this library are not thread-safe.
    with _lock:
        return str(stemmer.stemWord(form)) or form


@cache
def _stemmer(language: str) -> Any:
    """Return the stemmer of a language; None if there is none."""
    import snowballstemmer

    # Stemmers have English names. Both forms of Norwegian have one: "Norwegian Bokmål".
    name = Locale("en").languages.get(language, "").partition(" ")[0].lower()
    return snowballstemmer.stemmer(name) if name in snowballstemmer.algorithms() else None


def is_stop_word(form: str, language: str) -> bool:
    """Return whether a word is a stop word: the, of, 的."""
    return form in _stop_words(base(language))


@cache
def _stop_words(language: str) -> frozenset[str]:
    unknown = STOP_WORDS["en"] + STOP_WORDS["zh"] if language == UNKNOWN else ""
    listed = STOP_WORDS.get(language, unknown)
    return frozenset("".join(token.form for token in tokenize(word)) for word in listed.split())


_HAN = regex.compile(r"\p{Han}+")
_SINGLE_SCRIPT = regex.compile(
    r"\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+|[^\p{Han}\p{Hiragana}\p{Katakana}]+"
)


def split_unspaced(run: str) -> list[str]:
    """Split a run of characters without spaces into words.

    Chinese is cut by jieba, Japanese where its scripts change; other scripts are not cut.
    """
    if _HAN.fullmatch(run):
        return [str(word) for word in _segmenter().cut(run)]
    return [match[0] for match in _SINGLE_SCRIPT.finditer(run)]


@cache
def _segmenter() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    segmenter = jieba.Tokenizer()
    # By default it reads its cache from /tmp, where any user could have put one.
    folder = settings.VAR_DIR / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    segmenter.tmp_dir = str(folder)
    with _lock:
        segmenter.initialize()
    return segmenter
