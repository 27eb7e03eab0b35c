"""Names of languages: BCP 47 tags, from the codes of films, names of files, or the text itself."""

import re
from functools import cache

import opencc
import regex
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from django.utils.translation import get_language

UNKNOWN = "und"
SAMPLE = 20_000  # characters of a text that are looked at
FEW_LETTERS = 10  # with fewer nobody can tell a language
FOR_STATISTICS = 40  # letters from which on the statistics of letters tell one
HAN_PART = 0.15  # of the letters: Chinese subtitles may have English under each line
KANA_PART = 0.05  # of the letters: Japanese always has some, Chinese none

# What people write in names of files where a tag is meant.
_HABITS = {
    "chs": "zh-Hans", "gb": "zh-Hans", "简": "zh-Hans", "简中": "zh-Hans", "简体": "zh-Hans",
    "简体中文": "zh-Hans", "cht": "zh-Hant", "big5": "zh-Hant", "繁": "zh-Hant", "繁中": "zh-Hant",
    "繁体": "zh-Hant", "繁體": "zh-Hant", "繁體中文": "zh-Hant", "中文": "zh", "中": "zh",
    "中字": "zh",
    "双语": "zh", "jp": "ja", "jap": "ja", "日本語": "ja", "日语": "ja", "kr": "ko", "한국어": "ko",
    "英文": "en", "英语": "en", "esp": "es", "español": "es", "ger": "de", "deutsch": "de",
    "français": "fr", "italiano": "it", "português": "pt", "ptbr": "pt-BR", "русский": "ru",
}  # fmt: skip
# What stands behind the language in names of files, and says nothing of it.
_FLAGS = {
    *("forced", "default", "full", "sdh", "cc", "hi", "foreign", "sub", "subs", "subtitle"),
    *("subtitles", "captions", "utf8", "utf-8", "track", "signs", "songs"),
}
_WITHOUT_SHORT_CODE = {"yue", "fil", "ceb", "haw"}
_REGIONS = {"CN": "Hans", "SG": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}
_TAG = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|[0-9]{3}))?", re.IGNORECASE)
_OWN_SCRIPT = {
    "ko": "Hangul", "th": "Thai", "lo": "Lao", "km": "Khmer", "my": "Myanmar", "el": "Greek",
    "he": "Hebrew", "ka": "Georgian", "hy": "Armenian", "ta": "Tamil", "te": "Telugu",
    "ml": "Malayalam", "kn": "Kannada", "gu": "Gujarati", "pa": "Gurmukhi", "si": "Sinhala",
}  # fmt: skip
_LETTER = regex.compile(r"\p{L}")
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")


@cache
def _known() -> frozenset[str]:
    """Codes of languages that have a name."""
    return frozenset(Locale("en").languages)


@cache
def _english_names() -> dict[str, str]:
    """Tags by the English names of languages that have a code of two letters."""
    names = Locale("en").languages.items()
    return {name.casefold(): tag(code) for code, name in names if re.match(r"[a-z]{2}(_|$)", code)}


def tag(code: str) -> str:
    """The BCP 47 tag for a code: eng -> en, chi -> zh, zh_TW -> zh-Hant. `und` when it is none."""
    match = _TAG.fullmatch(code.strip())
    if not match:
        return UNKNOWN
    language = match[1].lower()
    language = get_global("language_aliases").get(language, language)
    if language not in _known() or language in ("und", "mul", "zxx"):
        return UNKNOWN
    script, region = (match[2] or "").title(), (match[3] or "").upper()
    if language == "zh" and region in _REGIONS:
        script, region = script or _REGIONS[region], ""
    return "-".join(part for part in (language, script, region) if part)


def from_file_name(name: str) -> str:
    """The language that the name of a subtitle file says: film.zh-Hans.srt. `und` when none."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    parts = [part for part in re.split(r"[.\s()\[\]]+", stem) if part]
    while len(parts) > 1 and parts[-1].casefold() in _FLAGS:
        parts.pop()
    if len(parts) < 2:
        return UNKNOWN
    # film.chs&eng.ass has two languages; the first is the one that it is read for.
    last = re.split(r"[&+,]", parts[-1])[0]
    plain = last.casefold()
    return _HABITS.get(plain) or _english_names().get(plain) or _from_code(last)


def _from_code(code: str) -> str:
    """A code in a file's name; words of a title look like codes: Let.It.Be, The.Third.Man."""
    first = re.split(r"[-_]", code)[0]
    if first not in (first.lower(), first.upper()):
        return UNKNOWN
    found = tag(code)
    return found if len(base(found)) == 2 or base(found) in _WITHOUT_SHORT_CODE else UNKNOWN


def guess(name: str, text: str) -> str:
    """The language of subtitles: as the file's name says, else as the text looks; `und`."""
    said = from_file_name(name)
    # let.it.be.srt is English: no language looks so much like English that the two are confused.
    if base(said) not in (UNKNOWN, "en") and (seen := from_text(text)) == "en":
        return seen
    return said if said != UNKNOWN else from_text(text)


def from_text(text: str) -> str:
    """The language that a text seems to be written in, by its scripts and letters, or `und`."""
    sample = text[:SAMPLE]
    letters = len(_LETTER.findall(sample))
    if letters < FEW_LETTERS:
        return UNKNOWN
    kana, han = len(_KANA.findall(sample)), len(_HAN.findall(sample))
    if kana > letters * KANA_PART:
        return "ja"
    if han > letters * HAN_PART:
        return _chinese(sample)
    for language, script in _OWN_SCRIPT.items():
        if len(regex.findall(rf"\p{{{script}}}", sample)) > letters / 2:
            return language
    if letters < FOR_STATISTICS:
        return UNKNOWN
    return tag(_by_statistics(sample))


def _by_statistics(text: str) -> str:
    """The code of a language, by which letters follow which."""
    # Its model takes a second to load and 100 MB: it is let go afterwards.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return str(LanguageIdentifier.from_model_file(MODEL_FILE).classify(text)[0])


@cache
def _converter(name: str) -> opencc.OpenCC:
    return opencc.OpenCC(name)


@cache
def simplified(character: str) -> str:
    """A Chinese character in its simplified form; any other as it is."""
    converted = str(_converter("t2s").convert(character))
    return converted if len(converted) == 1 else character


def _chinese(text: str) -> str:
    """zh-Hans or zh-Hant, by characters that only one of the two has; zh when there are none."""
    characters = set(_HAN.findall(text))
    traditional = sum(simplified(one) != one for one in characters)
    modern = sum(str(_converter("s2t").convert(one)) != one for one in characters)
    if traditional == modern:
        return "zh"
    return "zh-Hant" if traditional > modern else "zh-Hans"


def base(language: str) -> str:
    """The language of a tag without its script and region: zh-Hans -> zh."""
    return language.partition("-")[0]


def name(language: str) -> str:
    """What the reader calls a language; its tag where it has no name."""
    here = _reader()
    try:
        if language == UNKNOWN:
            return str(Locale.parse(here).languages[UNKNOWN])
        return str(Locale.parse(language, sep="-").get_display_name(here))
    except (UnknownLocaleError, ValueError, KeyError):
        return language


def choices() -> list[tuple[str, str]]:
    """Languages to choose from, each a tag and what the reader calls it, in its order."""
    return list(_choices(_reader()))


@cache
def _choices(reader: str) -> tuple[tuple[str, str], ...]:
    short = [code for code in Locale(reader).languages if re.fullmatch("[a-z]{2}", code)]
    tags = [*short, *_WITHOUT_SHORT_CODE, "zh-Hans", "zh-Hant", "pt-BR", "pt-PT", "es-419"]
    named = sorted(((one, name(one)) for one in tags), key=lambda pair: pair[1].casefold())
    return ((UNKNOWN, name(UNKNOWN)), *(pair for pair in named if pair[0] != pair[1]))


def _reader() -> str:
    """The reader's language as Babel names it."""
    reader = (get_language() or "en").replace("-", "_")
    return "zh_Hans" if reader.lower().startswith("zh") else base(reader.replace("_", "-"))
