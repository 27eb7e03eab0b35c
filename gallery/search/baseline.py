"""The library baseline: scores of ordinary frames, against which a match is measured.

A cosine means little on its own. Words and pictures score 0.2 to 0.3 with one model, -0.1 to 0.5
with another, and two pictures score far higher than a picture and a word. Scores are therefore
compared with those of frames sampled at random from the library and of words that films commonly
show.
"""

import re
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock

import numpy as np

from gallery.clip import encoder, weights
from gallery.clip.types import Vector, Vectors
from gallery.index import frame_index

MAX_AGE = 300.0  # seconds that a sample is used while the library grows
# Few pairs of an ordinary word and an ordinary frame match: those above this quantile.
WORDS_QUANTILE = 0.98
PICTURES_QUANTILE = 0.99  # likewise for pairs of frames
SAMPLED_PAIRS = 4000  # of frames
WORDS = {
    "en": """
        person man woman child crowd face hand dog cat bird horse fish tree flower forest mountain
        sea beach river sky cloud rain snow fire night city street house room kitchen bed table
        chair window door car train ship airplane bicycle road bridge book phone computer screen
        letter food bread fruit glass bottle hat clothes shoe gun sword ball guitar dancing
        running jumping sleeping laughing crying kissing fighting
    """,
    "zh": """
        人 男人 女人 孩子 人群 脸 手 狗 猫 鸟 马 鱼 树 花 森林 山 大海 海滩 河 天空 云 雨 雪 火 夜晚
        城市 街道 房子 房间 厨房 床 桌子 椅子 窗户 门 汽车 火车 船 飞机 自行车 路 桥 书 电话 电脑
        屏幕 信 食物 面包 水果 杯子 瓶子 帽子 衣服 鞋 枪 剑 球 吉他 跳舞 跑 跳 睡觉 笑 哭 吻 打架
    """,
}
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def is_chinese(words: str) -> bool:
    """Return whether the text contains a Chinese character."""
    return bool(_CHINESE.search(words))


@dataclass(frozen=True)
class LibraryBaseline:
    """A random sample of the library's frames: unit rows of shape (n, width); n may be 0."""

    frames: Vectors

    def mean_std(self, vector: Vector) -> tuple[float, float]:
        """Return the mean and standard deviation of the sample's scores with a vector of any
        length.

        The deviation is never 0; with nothing to compare with, it is 1.
        """
        if len(self.frames) < 2:
            return 0.0, 1.0
        scores = self.frames @ vector
        return float(scores.mean()), float(scores.std()) or 1.0

    def words_threshold(self, words: str) -> float:
        """Return the cosine above which a frame counts as showing what the words name."""
        language = "zh" if is_chinese(words) and weights.current().reads_chinese else "en"
        return self._word_thresholds[language]

    @cached_property
    def _word_thresholds(self) -> dict[str, float]:
        if not len(self.frames):
            return dict.fromkeys(WORDS, -1.0)
        languages = [lang for lang in WORDS if lang == "en" or weights.current().reads_chinese]
        return {
            language: float(
                np.quantile(
                    _word_vectors(language, weights.current().fingerprint) @ self.frames.T,
                    WORDS_QUANTILE,
                )
            )
            for language in languages
        }

    @cached_property
    def pictures_threshold(self) -> float:
        """The cosine above which two frames count as showing the same kind of scene."""
        count = len(self.frames)
        if count < 2:
            return -1.0
        one, other = np.random.default_rng(0).integers(0, count, (2, SAMPLED_PAIRS))
        differs = one != other
        pairs = np.einsum("ij,ij->i", self.frames[one[differs]], self.frames[other[differs]])
        return float(np.quantile(pairs, PICTURES_QUANTILE))


@lru_cache(maxsize=8)
def _word_vectors(language: str, fingerprint: str) -> Vectors:  # noqa: ARG001 - part of the key
    return encoder.current().embed_texts(WORDS[language].split())


_lock = Lock()
# By index: the number of films, when it was sampled, and the baseline.
_cache: dict[str, tuple[int, float, LibraryBaseline]] = {}


def get_baseline(film_count: int) -> LibraryBaseline:
    """Return the library's baseline, cached for MAX_AGE or until the number of films changes."""
    index = frame_index.current()
    with _lock:
        films, sampled_at, found = _cache.get(index.prefix, (-1, 0.0, None))
        if found is None or films != film_count or time.monotonic() - sampled_at > MAX_AGE:
            found = LibraryBaseline(index.sample())
            _cache[index.prefix] = (film_count, time.monotonic(), found)
        return found
