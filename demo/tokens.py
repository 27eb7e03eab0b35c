"""The demo model's tokenizer: English words and subwords, single Chinese characters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

from demo.captions import LANGUAGES, caption
from demo.concepts import KNOWN
from demo.pictures import random_scene

CONTEXT = 32
PAD, UNKNOWN, START, END = "<|pad|>", "<|unk|>", "<|startoftext|>", "<|endoftext|>"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "y", "ies", "ly", "d")
COMMON_EN = """i you he she it we they me my his her their who what which where is are was be has
have do does not no in on at by of to from for with near under over behind between out off up down
two three four five many few all some any this that these those one more than very big small little
large red green blue yellow black white brown orange pink purple grey person people animal animals
thing something someone food fruit vegetable flower plant vehicle happy sad face hand hello goodbye
sitting standing walking running flying swimming eating holding looking day morning evening dark
light sky water ground background picture pictures photo image scene movie film video frame"""
COMMON_ZH = """\
的一是不了在人有我他这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以
会家可下而过天去能对小多然于心学么之都好看起发当没成只如事把还用第样道想作种开美
总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知
世什两次使身者被高已亲其进此话常与活正感见明问力理尔点文几定本公特做外孩相西果走
将月十实向声车全信重三机工物气每并别真打太新比才便夫再书部水像眼等体却加电主界门
利海受听表德少克代员许先口由死安写性马光白或住难望教命花结乐色更拉东神记处让母父
应直字场平报友关放至张认接告入笑内英军候民岁往何度山觉路带万男边风解叫任金快原吃
妈变通师立象数四失满战远格士音轻目条呢红绿蓝黄黑紫粉灰橙二五六七八九十零找请图片
照幅画面"""


def _words() -> list[str]:
    """Return all words and Chinese characters of the names and of sampled captions, sorted."""
    texts = [name for known in KNOWN for name in (*known.en, *known.zh)]
    rng = np.random.default_rng(11)
    for seed in range(12000):
        scene = random_scene(seed)
        texts += [caption(scene, language, rng).text for language in LANGUAGES]
    split = _splitter()
    words: dict[str, None] = {}
    for text in [*texts, COMMON_EN, COMMON_ZH]:
        for word, _ in split.pre_tokenize_str(text.lower()):
            words.setdefault(word)
    return sorted(words)


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[\u3400-\u9fff]"), "isolated"),
            pre_tokenizers.Whitespace(),
        ]
    )


def build_tokenizer() -> Tokenizer:
    """Build the tokenizer from the concepts and the captions, deterministically.

    Unknown words are split into subwords, so a plural keeps the token of its singular.
    """
    vocabulary = [PAD, UNKNOWN, START, END, *LETTERS]
    vocabulary += ["##" + letter for letter in LETTERS]
    vocabulary += ["##" + ending for ending in ENDINGS] + _words()
    ids = {word: number for number, word in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    tokenizer.add_special_tokens([PAD, UNKNOWN, START, END])
    return tokenizer


def save_tokenizer(folder: Path) -> None:
    """Write the files of the tokenizer for ``AutoTokenizer`` into ``folder``."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(),
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        model_max_length=CONTEXT,
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # known to all versions of transformers
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
