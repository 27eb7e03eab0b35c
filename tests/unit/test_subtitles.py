"""Subtitle files: three formats, many encodings, and damaged ones."""

import time
from pathlib import Path
from typing import Any

import pytest

from gallery.core.errors import SubtitlesError
from gallery.transcripts import languages, subtitles
from gallery.transcripts.subtitle_formats import Cue
from gallery.transcripts.subtitles import read
from tests.importing import DEMO

SRT = """1
00:00:01,500 --> 00:00:03,000
Where did she go?

2
00:01:02,000 --> 00:01:04,250
- My paws
- are freezing!
"""
VTT = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE
a comment --> that is none

intro
00:01.500 --> 00:03.000 align:start position:10%
<v Cat>Where did <i>she</i> go?</v>

NOTE between

00:01:02.000 --> 00:01:04.250
<00:01:02.100><c>-</c> My paws
- are <00:01:03.000>freezing!
"""
ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,not-a-number

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:05.00,Default,,0,0,0,,a note of the translator
Dialogue: 0,0:01:02.00,0:01:04.25,Default,,0,0,0,,{\an8\i1}- My paws\N{\i0}- are freezing!
Dialogue: 0,0:00:01.50,0:00:03.00,Default,,0,0,0,,{\k20}Where\hdid she go?
Dialogue: 0,0:00:09.00,0:00:10.00,Default,,0,0,0,,{\p1}m 0 0 l 100 0 100 100{\p0}
Dialogue: 0,broken,0:00:10.00,Default,,0,0,0,,lost
Dialogue: 0,0:00:11.00,0:00:12.00,Default,,0,0,0,,{\pos(3,4)}
"""
SSA = r"""[Script Info]
ScriptType: v4.00

[V4 Styles]
Style: Default,Arial,20

[Events]
Format: Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: Marked=0,0:00:01.50,0:00:03.00,Default,NTP,0000,0000,0000,,Where did she go?
Dialogue: Marked=0,0:01:02.00,0:01:04.25,Default,NTP,0000,0000,0000,,- My paws\n- are freezing!
"""
EXPECTED = [
    Cue(1.5, 3.0, "Where did she go?"),
    Cue(62.0, 64.25, "- My paws\n- are freezing!"),
]


def srt(*texts: str) -> str:
    """A SubRip file with these lines, a second each."""
    return "\n".join(
        f"{n + 1}\n00:00:{n:02d},000 --> 00:00:{n:02d},900\n{text}\n"
        for n, text in enumerate(texts)
    )


def texts(data: bytes | str) -> list[str]:
    return [cue.text for cue in read(data.encode() if isinstance(data, str) else data)]


# --- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [SRT, VTT, ASS, SSA], ids=["srt", "vtt", "ass", "ssa"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old-mac"])
def test_all_formats_give_the_same_lines(content: str, line_end: str) -> None:
    assert read(content.replace("\n", line_end).encode()) == EXPECTED


def test_the_subtitles_of_the_demo_film_are_read_completely() -> None:
    for language in ("en", "zh"):
        data = (DEMO / f"film.{language}.srt").read_bytes()
        cues = read(data)
        assert len(cues) == data.count(b"-->") == 32
        assert all(cue.start < cue.end for cue in cues)
        assert cues == sorted(cues, key=lambda cue: cue.start)
    assert cues[0] == Cue(0.25, 3.433, "谁都有梦想，我的梦想上全是环形山。")


def test_markup_of_every_kind_is_removed() -> None:
    assert texts(
        srt(
            "<font color='#fff'>A <b>bold</b> word</font>",
            r"{\an8}above",
            "<i>\nbroken over rows</i>",
            "3 < 4 and I <3 you",
            "a\u200bb\u202ac\u202c \u00a0 d",
            "mi\u0303",
        )
    ) == ["A bold word", "above", "broken over rows", "3 < 4 and I <3 you", "abc d", "mĩ"]
    assert texts("WEBVTT\n\n00:01.000 --> 00:02.000\n&lt;i&gt; R&amp;B &#39;n&#39;\n") == [
        "<i> R&B 'n'"
    ]


def test_empty_lines_are_dropped_and_overlapping_ones_kept() -> None:
    text = (
        "1\n00:00:05,000 --> 00:00:09,000\nthe long one\n\n"
        "2\n00:00:01,000 --> 00:00:02,000\n\n"
        "3\n00:00:06,000 --> 00:00:07,000\n<i> </i>\n\n"
        "4\n00:00:06,000 --> 00:00:04,000\nends before it begins\n\n"
        "5\n00:00:07,000 --> 00:00:08,000\nwithin\n"
    )
    assert read(text.encode()) == [
        Cue(5, 9, "the long one"),
        Cue(6, 6, "ends before it begins"),
        Cue(7, 8, "within"),
    ]


def test_text_shown_across_cues_is_one_line() -> None:
    """A moving sign has an event for every frame."""
    moving = "".join(
        f"Dialogue: 0,0:00:01.{n:02d},0:00:01.{n + 4:02d},Default,,0,0,0,,{{\\pos({n},0)}}EXIT\n"
        for n in range(0, 80, 4)
    )
    again = "Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,EXIT\n"
    assert read(f"[Events]\n{moving}{again}".encode()) == [Cue(1, 1.8, "EXIT"), Cue(5, 6, "EXIT")]


def test_webvtt_round_trips() -> None:
    cues = [Cue(0, 1.25, "A --> B <i>x</i> & y"), Cue(3661.5, 3662.0, "第二行\n完")]
    written = subtitles.webvtt(cues)
    assert "01:01:01.500 --> 01:01:02.000" in written
    assert read(written.encode()) == cues


def test_lines_are_shifted_to_the_film_s_clock() -> None:
    assert subtitles.shift([Cue(1, 2, "a"), Cue(4, 6, "b"), Cue(9, 10, "c")], -5) == [
        Cue(0, 1, "b"),
        Cue(4, 5, "c"),
    ]


def test_subtitles_are_cut_to_a_clip() -> None:
    cues = [Cue(0, 2, "before"), Cue(3, 5, "begins before"), Cue(5, 5, "empty"),
            Cue(6, 7, "inside"), Cue(4, 20, "all through"), Cue(9, 12, "ends after"),
            Cue(10, 11, "after")]  # fmt: skip
    assert subtitles.cut(cues, 4, 10) == [
        Cue(0, 1, "begins before"),
        Cue(2, 3, "inside"),
        Cue(0, 6, "all through"),
        Cue(5, 6, "ends after"),
    ]
    # Times of frames are not round: what is left of a line has whole milliseconds.
    assert subtitles.cut([Cue(1, 2, "a")], 1001 / 24000 * 30, 3) == [Cue(0, 0.749, "a")]
    assert subtitles.cut([Cue(1, 2, "a")], 1.9999, 3) == []


# --- encodings ------------------------------------------------------------------------------------

CHINESE = (
    "抱歉，女士，本次航班不停月球。",
    "早上好！看样子你想搭个车？",
    "她去哪儿了？我的爪子都冻僵了！",
)
ENCODINGS: dict[str, tuple[str, ...]] = {
    "utf-8": ("Où est-elle ? 她去哪儿了？ Где она?",),
    "utf-8-sig": ("她去哪儿了？",),
    "utf-16": ("她去哪儿了？",),
    "utf-16-le": ("Hello? Do you deliver spaceships?", "她去哪儿了？"),
    "utf-16-be": ("Hello? Do you deliver spaceships?", "她去哪儿了？"),
    "utf-32": ("她去哪儿了？",),
    "gb18030": CHINESE,
    "gbk": CHINESE,
    "big5": ("抱歉，女士，本次航班不停月球。", "她去哪裡了？我的爪子都凍僵了！", "國王從不問路。"),
    "shift_jis": ("彼女はどこへ行ったのですか？", "足がこごえそうです！", "ええ、そうですね。"),
    "euc_kr": ("그녀는 어디로 갔나요?", "발이 꽁꽁 얼었어요!"),
    "cp1252": ("Où est-elle passée ? J’ai les pattes gelées !", "C’était déjà l’été à Genève…"),
    "cp1250": ("Dokąd ona poszła? Marzną mi łapy!", "Źle się czuję, chcę już spać."),
    "cp1251": ("Куда она ушла? У меня замёрзли лапы!", "Никогда ничего не забываю."),
    "cp1253": ("Πού πήγε; Παγώνουν τα πόδια μου!", "Δεν ξεχνώ ποτέ τίποτα."),
    "cp1255": ("לאן היא הלכה? קר לי מאוד ברגליים!", "אני לא שוכח שום דבר."),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_common_encodings_are_read(encoding: str) -> None:
    lines = ENCODINGS[encoding]
    assert texts(srt(*lines).encode(encoding)) == list(lines)


@pytest.mark.parametrize(
    ("line", "credit"),
    [("你好，我的朋友，今天天气很好", "été"), ("Où est-elle passée à l'été ?", "Traduit par Zoé")],
)
def test_a_stray_byte_does_not_change_the_encoding(line: str, credit: str) -> None:
    """Editors append credits in an encoding of their own."""
    written = srt(*[f"{line} {n}" for n in range(5)])
    data = written.encode() + f"9\n00:09:00,000 --> 00:09:02,000\n{credit}\n".encode("cp1252")
    assert texts(data) == [*(f"{line} {n}" for n in range(5)), credit]


# --- invalid files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b" \r\n\t", "The file is empty"),
        (b"just some words\nin a text file\n", "No timed lines"),
        (b"1\n00:00:01,000 --> \nwithout an end\n", "No timed lines"),
        (b"{100}{200}MicroDVD", "frame rate is not known"),
        (b"WEBVTT\n\nNOTE nothing else\n", "No timed lines"),
        (b"[Events]\nDialogue: 0,zero,one,Default,,0,0,0,,x\n", "No timed lines"),
        (srt("<i></i>", " ").encode(), "No timed lines"),
        (b"PK\x03\x04 film.srt", "an archive"),
        (b"\x00\x00\x01\xba" + bytes(range(256)) * 20, "Image subtitles"),
        (b"# VobSub index file, v7\nsize: 720x576\n", "Image subtitles"),
        (bytes(range(32)) * 500, "not a text file"),
    ],
)  # fmt: skip
def test_unreadable_files_are_reported(data: bytes, sentence: str) -> None:
    with pytest.raises(SubtitlesError, match=sentence):
        read(data)


def test_a_file_that_is_too_large_is_reported(settings: Any) -> None:
    settings.MAX_SUBTITLE_BYTES = 10_000
    with pytest.raises(SubtitlesError, match="larger than 10 kB"):
        read(SRT.encode().ljust(10_001))
    assert read(SRT.encode().ljust(10_000)) == EXPECTED


def test_too_many_lines_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subtitles, "MAX_LINES", 3)
    assert len(texts(srt("a", "b", "c"))) == 3
    with pytest.raises(SubtitlesError, match=r"4 lines\. The limit is 3"):
        read(srt("a", "b", "c", "d").encode())


def test_a_damaged_part_does_not_affect_the_rest() -> None:
    damaged = SRT.replace("2\n00:01:02", "2\n00:0x:99,000 --> nowhere\nlost\n\n3\n00:01:02")
    assert [cue.start for cue in read(damaged.encode())] == [1.5, 62.0]
    cut = read(SRT.encode()[:-12])
    assert cut[0] == EXPECTED[0]
    assert cut[1].text.startswith("- My paws")


HEAD = "1\n00:00:01,000 --> 00:00:02,000\n"
EVENT = "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "<a" * 1_000_000,
        HEAD + "<" * 2_000_000,
        HEAD + "{" * 2_000_000,
        HEAD + "x" + "\n" * 2_000_000 + "y",
        HEAD + "x" + "\n \t" * 700_000 + "y",
        HEAD + "x" + " " * 2_000_000 + "y",
        EVENT + "{\\i1}" * 400_000,
        EVENT + "{\\p1}" * 400_000,
        EVENT + "\\p1" * 600_000 + "}",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<0" * 1_000_000,
        "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "&" * 2_000_000,
        "-->" * 700_000,
        "00:00:01,000 --> " * 120_000,
        "Dialogue:" + "0," * 1_000_000,
    ],
)
def test_a_malicious_file_is_rejected_quickly(text: str) -> None:
    started_at = time.monotonic()
    try:
        cues = read(text.encode())
    except SubtitlesError:
        cues = []
    assert time.monotonic() - started_at < 3
    assert all(len(cue.text) <= subtitles.MAX_TEXT_LENGTH for cue in cues)


# --- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("film.zh.srt", "zh"), ("film.eng.srt", "en"), ("film.zh-Hans.srt", "zh-Hans"),
        ("Film.2019.1080p.English.srt", "en"), ("film.en.forced.srt", "en"),
        ("film.fr.sdh.srt", "fr"), ("film.pt-BR.srt", "pt-BR"), ("film.zh_TW.srt", "zh-Hant"),
        ("film.chs.srt", "zh-Hans"), ("film.chs&eng.ass", "zh-Hans"), ("电影.繁體.ass", "zh-Hant"),
        ("film (German).srt", "de"), ("film.CHI.srt", "zh"), ("film.GER.vtt", "de"),
        ("film.srt", "und"), ("en.srt", "und"), ("film.und.srt", "und"), ("film.xx.srt", "und"),
        ("Let.It.Be.srt", "und"), ("The.Third.Man.srt", "und"), ("", "und"), ("...", "und"),
    ],
)  # fmt: skip
def test_the_language_is_in_the_file_name(name: str, expected: str) -> None:
    assert languages.from_file_name(name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("谁都有梦想，我的梦想上全是环形山。", "zh-Hans"),
        ("飛船送貨上門嗎？後來呢？這裡是臺灣。", "zh-Hant"),
        ("ありがとうございます。冷蔵庫です。", "ja"),
        ("안녕하세요 고양이가 좋아요", "ko"),
        ("สวัสดีครับวันนี้อากาศร้อนมาก", "th"),
        ("她去哪儿了？\nWhere did she go?\n我的爪子都冻僵了\nMy paws are freezing", "zh-Hans"),
        ("Wo ist der Hund? Er ist im Schnee, glaube ich, und er friert sich die Pfoten ab.", "de"),
        (
            "Où est le chien ? Il est dans la neige, je crois, et il se gèle un peu les pattes.",
            "fr",
        ),
        ("Куда она ушла? У меня замёрзли лапы! Я никогда ничего не забываю, кроме зонтика.", "ru"),
        ("♪ ♪", "und"),
        ("OK. No.", "und"),
    ],
)
def test_the_language_is_detected_from_the_text(text: str, expected: str) -> None:
    found = languages.from_text(text)
    assert found == expected


def test_words_of_a_title_are_not_a_language() -> None:
    english = " ".join(texts((DEMO / "film.en.srt").read_bytes()))
    assert languages.guess("let.it.be.srt", english) == "en"
    assert languages.guess("film.en-US.srt", english) == "en-US"
    assert languages.guess("film.srt", english) == "en"
    assert languages.guess("film.zh.srt", "你好") == "zh"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("eng", "en"), ("chi", "zh"), ("zho", "zh"), ("ger", "de"), ("fre", "fr"),
     ("zh-CN", "zh-Hans"), ("cmn", "zh"), ("yue", "yue"), ("und", "und"), ("mul", "und"),
     ("", "und"), ("q!", "und"),
     ("pt_br", "pt-BR"), ("sr-latn-rs", "sr-Latn-RS")],
)  # fmt: skip
def test_language_codes_of_films_become_tags(code: str, expected: str) -> None:
    assert languages.tag(code) == expected


def test_languages_have_names_in_the_reader_s_language() -> None:
    from django.utils import translation

    assert languages.name("zh-Hans") == "Chinese (Simplified)"
    assert languages.name("und") == "Unknown language"
    assert languages.name("qq-none") == "qq-none"
    with translation.override("zh-hans"):
        assert languages.name("en") == "英语"


def test_names_of_files_are_not_trusted(tmp_path: Path) -> None:
    assert languages.from_file_name("../" * 50 + "\x00.en.srt") == "en"
    assert languages.from_file_name("." * 10_000 + "a") == "und"
