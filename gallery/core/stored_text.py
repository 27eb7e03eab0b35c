"""Translates sentences that workers stored in English when they are shown."""

import re
from functools import cache
from pathlib import Path

from babel.messages.mofile import read_mo
from django.conf import settings
from django.utils.translation import get_language, gettext, gettext_noop, to_locale

MIN_LITERAL = 10  # letters of a message besides its placeholders; shorter ones match anything
_PLACEHOLDER = re.compile(r"%\((\w+)\)[-+ #0]*\d*(?:\.\d+)?[a-zA-Z]|%%")
# What the operating system says about files and folders.
SYSTEM_ERRORS = (
    gettext_noop("No such file or directory"),
    gettext_noop("Permission denied"),
    gettext_noop("Input/output error"),
    gettext_noop("Not a directory"),
    gettext_noop("Stale file handle"),
    gettext_noop("Transport endpoint is not connected"),
    gettext_noop("Host is down"),
    gettext_noop("Too many levels of symbolic links"),
    gettext_noop("File name too long"),
)


def translate_stored(text: str) -> str:
    """Translate stored sentences, one a line. What is not in the catalogue stays as it is."""
    return "\n".join(_translate_line(line) for line in text.splitlines())


def _translate_line(line: str) -> str:
    translated = gettext(line) if line else ""
    if translated != line:
        return translated
    for pattern, message in _load_patterns(to_locale(get_language() or settings.LANGUAGE_CODE)):
        if found := pattern.fullmatch(line):
            return _fill(message, found)
    return line


def _fill(message: str, found: re.Match[str]) -> str:
    """Fill in what the sentence had in place of the placeholders, which may be sentences, too."""

    def value_of(placeholder: re.Match[str]) -> str:
        if placeholder[1] is None:
            return "%"
        value = found[placeholder[1]]
        is_message = value.endswith(".") or value in SYSTEM_ERRORS
        return _translate_line(value) if is_message else value

    return _PLACEHOLDER.sub(value_of, message)


@cache
def _load_patterns(locale: str) -> list[tuple[re.Pattern[str], str]]:
    """Return patterns of the messages with placeholders and their translations, longest first."""
    found = []
    for folder in settings.LOCALE_PATHS:
        path = Path(folder, locale, "LC_MESSAGES", "django.mo")
        if not path.exists():
            continue
        with path.open("rb") as file:
            catalog = read_mo(file)
        for message in catalog:
            ids, strings = ((x,) if isinstance(x, str) else x for x in (message.id, message.string))
            for one in ids:
                literal = len(_PLACEHOLDER.sub("", one))
                if literal < len(one) and literal >= MIN_LITERAL:
                    found.append((literal, _to_pattern(one), strings[-1]))
    found.sort(key=lambda one: -one[0])
    return [(pattern, string) for _literal, pattern, string in found]


def _to_pattern(message: str) -> re.Pattern[str]:
    """Return a pattern of what a message becomes when its placeholders are filled in."""
    names: set[str] = set()
    pattern, end = "", 0
    for placeholder in _PLACEHOLDER.finditer(message):
        pattern += re.escape(message[end : placeholder.start()])
        name, end = placeholder[1], placeholder.end()
        if name is None:
            pattern += "%"
        else:
            pattern += f"(?P={name})" if name in names else f"(?P<{name}>.+)"
            names.add(name)
    return re.compile(pattern + re.escape(message[end:]))
