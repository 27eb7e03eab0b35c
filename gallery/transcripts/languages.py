"""Language detection and names: BCP 47 tags from codes in films, from file names or from text."""

import re
from functools import cache

import opencc
import regex
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from django.utils.translation import get_language

UNKNOWN = "und"
SAMPLE_LENGTH = 20_000  # characters of a text that are examined
MIN_LETTERS = 10  # to detect a language
MIN_LETTERS_FOR_STATISTICS = 40
MIN_HAN_SHARE = 0.15  # of the letters: Chinese subtitles may have English under each line
MIN_KANA_SHARE = 0.05  # of the letters: Japanese always has some, Chinese none

# Common names of languages in file names.
_ALIASES = {
    "chs": "zh-Hans", "gb": "zh-Hans", "简": "zh-Hans", "简中": "zh-Hans", "简体": "zh-Hans",
    "简体中文": "zh-Hans", "cht": "zh-Hant", "big5": "zh-Hant", "繁": "zh-Hant", "繁中": "zh-Hant",
    "繁体": "zh-Hant", "繁體": "zh-Hant", "繁體中文": "zh-Hant", "中文": "zh", "中": "zh",
    "中字": "zh",
    "双语": "zh", "jp": "ja", "jap": "ja", "日本語": "ja", "日语": "ja", "kr": "ko", "한국어": "ko",
    "英文": "en", "英语": "en", "esp": "es", "español": "es", "ger": "de", "deutsch": "de",
    "français": "fr", "italiano": "it", "português": "pt", "ptbr": "pt-BR", "русский": "ru",
}  # fmt: skip
# Words that may follow the language in a file name.
_FLAGS = {
    *("forced", "default", "full", "sdh", "cc", "hi", "foreign", "sub", "subs", "subtitle"),
    *("subtitles", "captions", "utf8", "utf-8", "track", "signs", "songs"),
}
_WITHOUT_SHORT_CODE = {"yue", "fil", "ceb", "haw"}
_REGIONS = {"CN": "Hans", "SG": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}
_TAG = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
_UNIQUE_SCRIPTS = {
    "ko": "Hangul", "th": "Thai", "lo": "Lao", "km": "Khmer", "my": "Myanmar", "el": "Greek",
    "he": "Hebrew", "ka": "Georgian", "hy": "Armenian", "ta": "Tamil", "te": "Telugu",
    "ml": "Malayalam", "kn": "Kannada", "gu": "Gujarati", "pa": "Gurmukhi", "si": "Sinhala",
}  # fmt: skip
_LETTER = regex.compile(r"\p{L}")
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")


@cache
def _named_codes() -> frozenset[str]:
    """Return the codes of languages that have a name."""
    return frozenset(Locale("en").languages)


@cache
def _english_names() -> dict[str, str]:
    """Return tags by the English names of languages with a two-letter code."""
    names = Locale("en").languages.items()
    return {name.casefold(): tag(code) for code, name in names if re.match(r"[a-z]{2}(_|$)", code)}


def tag(code: str) -> str:
    """Return the BCP 47 tag of a code, or `und`: eng -> en, chi -> zh, zh_TW -> zh-Hant."""
    match = _TAG.fullmatch(code.strip())
    if not match:
        return UNKNOWN
    language = match[1].lower()
    language = get_global("language_aliases").get(language, language)
    if language not in _named_codes() or language in ("und", "mul", "zxx"):
        return UNKNOWN
    script, region = (match[2] or "").title(), (match[3] or "").upper()
    if language == "zh" and region in _REGIONS:
        script, region = script or _REGIONS[region], ""
    return "-".join(part for part in (language, script, region) if part)


def from_file_name(name: str) -> str:
    """Return the language in a subtitle file name (film.zh-Hans.srt), or `und`."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    parts = [part for part in re.split(r"[.\s()\[\]]+", stem) if part]
    while len(parts) > 1 and parts[-1].casefold() in _FLAGS:
        parts.pop()
    if len(parts) < 2:
        return UNKNOWN
    # film.chs&eng.ass has two languages: the first one counts.
    last = re.split(r"[&+,]", parts[-1])[0]
    plain = last.casefold()
    return _ALIASES.get(plain) or _english_names().get(plain) or _from_code(last)


def _from_code(code: str) -> str:
    """Parse a code in a file name. Words of a title look like codes: Let.It.Be, The.Third.Man."""
    first = re.split(r"[-_]", code)[0]
    if first not in (first.lower(), first.upper()):
        return UNKNOWN
    found = tag(code)
    return found if len(base(found)) == 2 or base(found) in _WITHOUT_SHORT_CODE else UNKNOWN


def guess(name: str, text: str) -> str:
    """Return the language of subtitles, by file name or else by text; `und` if unknown."""
    named = from_file_name(name)
    if named == UNKNOWN:
        return from_text(text)
    # The text of let.it.be.srt is English: English is not confused with other languages.
    if base(named) != "en" and from_text(text) == "en":
        return "en"
    return named


def from_text(text: str) -> str:
    """Detect the language of a text by its scripts and letters; `und` if unknown."""
    sample = text[:SAMPLE_LENGTH]
    letters = len(_LETTER.findall(sample))
    if letters < MIN_LETTERS:
        return UNKNOWN
    kana, han = len(_KANA.findall(sample)), len(_HAN.findall(sample))
    if kana > letters * MIN_KANA_SHARE:
        return "ja"
    if han > letters * MIN_HAN_SHARE:
        return detect_chinese(sample)
    for language, script in _UNIQUE_SCRIPTS.items():
        if len(regex.findall(rf"\p{{{script}}}", sample)) > letters / 2:
            return language
    if letters < MIN_LETTERS_FOR_STATISTICS:
        return UNKNOWN
    return tag(_detect_by_statistics(sample))


def _detect_by_statistics(text: str) -> str:
    """Detect the language by the frequencies of letter sequences."""
    # The model takes a second to load and 100 MB: it is not kept in memory.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return str(LanguageIdentifier.from_model_file(MODEL_FILE).classify(text)[0])


@cache
def _converter(name: str) -> opencc.OpenCC:
    return opencc.OpenCC(name)


@cache
def simplified(character: str) -> str:
    """Return the simplified form of a Chinese character; any other character unchanged."""
    converted = str(_converter("t2s").convert(character))
    return converted if len(converted) == 1 else character


def detect_chinese(text: str) -> str:
    """Return zh-Hans or zh-Hant by characters that only one of them has; zh without any."""
    characters = set(_HAN.findall(text))
    only_hant = sum(simplified(char) != char for char in characters)
    only_hans = sum(str(_converter("s2t").convert(char)) != char for char in characters)
    if only_hant == only_hans:
        return "zh"
    return "zh-Hant" if only_hant > only_hans else "zh-Hans"


def base(language: str) -> str:
    """Return the language of a tag without script and region: zh-Hans -> zh."""
    return language.partition("-")[0]


def three_letter_code(language: str) -> str:
    """Return the ISO 639-2 code that MP4 needs for a tag: zh-Hans -> zho, or "und"."""
    short = base(language)
    if len(short) == 3:
        return short
    aliases = get_global("language_aliases").items()
    codes = [code for code, name in aliases if name == short and len(code) == 3]
    # Of two codes, as fra and fre, the one that resembles the short one is not bibliographic.
    return min(codes, key=lambda code: (not code.startswith(short), code), default=UNKNOWN)


def name(language: str) -> str:
    """Return the name of a language in the user's language, or its tag if it has none."""
    reader = _reader()
    try:
        if language == UNKNOWN:
            return str(Locale.parse(reader).languages[UNKNOWN])
        return str(Locale.parse(language, sep="-").get_display_name(reader))
    except (UnknownLocaleError, ValueError, KeyError):
        return language


def choices() -> list[tuple[str, str]]:
    """Return the languages to choose from as (tag, name), in alphabetical order."""
    return list(_choices(_reader()))


@cache
def _choices(reader: str) -> tuple[tuple[str, str], ...]:
    short = [code for code in Locale(reader).languages if re.fullmatch("[a-z]{2}", code)]
    tags = [*short, *_WITHOUT_SHORT_CODE, "zh-Hans", "zh-Hant", "pt-BR", "pt-PT", "es-419"]
    named = sorted(((one, name(one)) for one in tags), key=lambda pair: pair[1].casefold())
    return ((UNKNOWN, name(UNKNOWN)), *(pair for pair in named if pair[0] != pair[1]))


def _reader() -> str:
    """Return the user's language as Babel names it."""
    reader = (get_language() or "en").replace("-", "_")
    return "zh_Hans" if reader.lower().startswith("zh") else base(reader.replace("_", "-"))
