"""What is ordinary in this library: the measure for what stands out.

A cosine means nothing by itself: words and pictures of one model score 0.2 to 0.3, of another -0.1
to 0.5, and two pictures far more than a picture and a word. So everything is compared with frames
drawn from the library at random and with words that films commonly show.
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

KEPT = 300.0  # seconds: how long a sample of a growing library stands for it
# Of pairs of an ordinary word and an ordinary frame, few fit; those that do score above the rest.
WORDS_FIT = 0.98
# The same for pairs of frames.
PICTURES_FIT = 0.99
PAIRS = 4000  # pairs of frames that are looked at
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
    """Whether there is a Chinese character in it."""
    return bool(_CHINESE.search(words))


@dataclass(frozen=True)
class LibraryBaseline:
    """Frames that stand for the library: `frames` has shape (n, width), unit rows; n may be 0."""

    frames: Vectors

    def level(self, vector: Vector) -> tuple[float, float]:
        """The mean and the spread of what ordinary frames score with a vector, of any length.

        The spread is never 0: with nothing to compare with, it is 1.
        """
        if len(self.frames) < 2:
            return 0.0, 1.0
        scores = self.frames @ vector
        return float(scores.mean()), float(scores.std()) or 1.0

    def words_fit(self, words: str) -> float:
        """The cosine from which a frame is taken to show what such words name."""
        language = "zh" if is_chinese(words) and weights.current().reads_chinese else "en"
        return self._fit[language]

    @cached_property
    def _fit(self) -> dict[str, float]:
        if not len(self.frames):
            return dict.fromkeys(WORDS, -1.0)
        languages = [lang for lang in WORDS if lang == "en" or weights.current().reads_chinese]
        return {
            language: float(
                np.quantile(
                    _word_vectors(language, weights.current().fingerprint) @ self.frames.T,
                    WORDS_FIT,
                )
            )
            for language in languages
        }

    @cached_property
    def pictures_fit(self) -> float:
        """The cosine from which two frames are taken to show the same kind of scene."""
        count = len(self.frames)
        if count < 2:
            return -1.0
        one, other = np.random.default_rng(0).integers(0, count, (2, PAIRS))
        apart = one != other
        pairs = np.einsum("ij,ij->i", self.frames[one[apart]], self.frames[other[apart]])
        return float(np.quantile(pairs, PICTURES_FIT))


@lru_cache(maxsize=8)
def _word_vectors(language: str, fingerprint: str) -> Vectors:  # noqa: ARG001 - part of the key
    return encoder.current().texts(WORDS[language].split())


_lock = Lock()
_kept: dict[tuple[str, int], tuple[float, LibraryBaseline]] = {}


def get_baseline(films: int) -> LibraryBaseline:
    """The library's ordinary frames, looked up anew now and then and when `films`, the number of
    films in it, changes."""
    here = frame_index.current()
    key = (here.alias, films)
    with _lock:
        made, found = _kept.get(key, (0.0, None))
        if found is None or time.monotonic() - made > KEPT:
            found = LibraryBaseline(here.sample())
            _kept.clear()
            _kept[key] = (time.monotonic(), found)
        return found
