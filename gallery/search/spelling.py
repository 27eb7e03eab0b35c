"""Suggests another spelling for words that neither the library nor English knows.

Words of films (titles, file names, dialogue) and labels come first, then common English words.
Chinese is typed by choosing characters, and gets no suggestions.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from gallery.search.types import WEB_ADDRESS
from gallery.transcripts import dialogue, words
from gallery.transcripts.phrases import is_misspelling_of, max_typos

MAX_WORDS = 12  # of a search: longer ones are sentences that somebody pasted
MIN_FREQUENCY = 50  # of an English word in the dictionary's texts, to be suggested


def correct_spelling(text: str, names: Iterable[str]) -> str:
    """Return a search with its misspelt words corrected, "" if there is nothing to correct.

    `names` are the titles, file names and labels of the library; they are read only for a word
    that English does not know. Raises IndexUnavailable.
    """
    tokens = [token for token in words.tokenize(text) if not token.unspaced]
    if len(tokens) > MAX_WORDS or WEB_ADDRESS.search(text):
        return ""
    unknown = [token for token in tokens if max_typos(token.form) and not _is_english(token.form)]
    if not unknown:
        return ""
    own = Counter(token.form for name in names for token in words.tokenize(name))
    own_stems = {words.stem(form, "en") for form in own}
    corrected = text
    for token in reversed(unknown):
        if words.stem(token.form, "en") not in own_stems:
            better = _correct(token.form, own)
            if better:
                corrected = corrected[: token.start] + better + corrected[token.end :]
    return corrected if corrected != text else ""


def _correct(word: str, own: Counter[str]) -> str:
    """Return the word that is probably meant, "" if the dialogue has it or none is similar."""
    spoken = dialogue.count_similar_words(word)
    if spoken is None:
        return ""
    near_names = Counter({form: own[form] for form in own if is_misspelling_of(word, form)})
    for found in (near_names, spoken, _similar_english(word)):
        if found:
            # People rarely mistype the first letter.
            return max(found, key=lambda form: (form[0] == word[0], found[form], form))
    return ""


def _is_english(word: str) -> bool:
    dictionary = _english()
    # Numbers, and words with digits such as 1080p, are not spelt.
    return not word.isalpha() or bool(dictionary.known([word, words.stem(word, "en")]))


def _similar_english(word: str) -> Counter[str]:
    """Return common English words one letter away, with their frequency."""
    if not word.isascii():
        return Counter()
    frequency = _english().word_frequency
    near = _english().known(_english().edit_distance_1(word))
    return Counter({form: frequency[form] for form in near if frequency[form] >= MIN_FREQUENCY})


@cache
def _english() -> Any:
    """Return the English dictionary, which takes 40 MB. Loading it takes a third of a second."""
    from spellchecker import SpellChecker

    return SpellChecker("en")
