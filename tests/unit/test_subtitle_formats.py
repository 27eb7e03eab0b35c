"""Real-world subtitles: rolling captions, unusual times, and less common formats."""

import io
import time
import tracemalloc
from fractions import Fraction
from typing import Any

import pytest

from gallery.core.errors import SubtitlesError
from gallery.transcripts import subtitles
from gallery.transcripts.subtitle_formats import Cue, UnknownFrameRate
from gallery.transcripts.subtitle_text import read_file
from gallery.transcripts.subtitles import read
from tests.unit.test_subtitles import EVENT, SRT, srt


def parse_cues(text: str, rate: Fraction | None = None) -> list[Cue]:
    return read(text.encode(), rate)


# --- SubRip and WebVTT in practice ----------------------------------------------------------------


@pytest.mark.parametrize("content", [SRT, SRT.replace(",", ".")], ids=["commas", "points"])
@pytest.mark.parametrize("first", ["", "WEBVTT\n\n"], ids=["SubRip", "WebVTT"])
def test_the_format_is_detected_from_the_content(content: str, first: str) -> None:
    assert parse_cues(first + content) == parse_cues(SRT)


@pytest.mark.parametrize(
    ("written", "start"),
    [
        ("100:00:01,000", 360_001), ("00:00:09:500", 9.5), ("0:0:9,5", 9.5), ("00:09.500", 9.5),
        ("00:00:09", 9), ("00: 00: 09, 500", 9.5), ("00:00:09,5004", 9.5), ("  00:00:09,500", 9.5),
    ],
)  # fmt: skip
def test_all_notations_of_times_are_read(written: str, start: float) -> None:
    text = f"1\n{written} --> {written}\nOne\n\n2\n200:00:00,000 --> 200:00:01,000\nTwo\n"
    assert parse_cues(text) == [Cue(start, start, "One"), Cue(720_000, 720_001, "Two")]
    assert parse_cues(text.replace(" --> ", "-->")) == parse_cues(text)
    assert parse_cues(text.replace(" --> ", " -> ")) == parse_cues(text)


def test_a_negative_time_is_the_start() -> None:
    assert parse_cues("1\n-00:00:01,000 --> 00:00:02,000\nHello\n") == [Cue(0, 2, "Hello")]
    with pytest.raises(SubtitlesError, match="No timed lines"):
        parse_cues("1\n-00:00:03,000 --> -00:00:02,000\nHello\n")


@pytest.mark.parametrize("blank", ["\n", "\n\n", "\r\r\n"], ids=["usual", "double", "\\r\\r\\n"])
def test_numeric_lines_are_text_and_cue_numbers_are_not(blank: str) -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\nThe answer is\n42\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n7\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\n3\n2\n1\n"
    ).replace("\n", blank)
    assert [cue.text for cue in parse_cues(text)] == ["The answer is\n42", "7", "3\n2\n1"]


def test_digits_are_text_in_a_file_without_numbers() -> None:
    text = "00:00:01,000 --> 00:00:02,000\nRoom\n101\n\n00:00:03,000 --> 00:00:04,000\n2\n"
    assert [cue.text for cue in parse_cues(text)] == ["Room\n101", "2"]


def test_cues_without_separators_keep_numbers_out_of_the_text() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo"
    assert [cue.text for cue in parse_cues(text)] == ["One", "Two"]


def test_comments_and_identifiers_of_webvtt_are_not_text() -> None:
    text = (
        "WEBVTT\n\nNOTE 00:01.000 --> 00:02.000\ncommented out\n\n"
        "NOTE\n00:01.000 --> 00:02.000\ncommented out\n\n"
        "00:03.000 --> 00:04.000\nHello\n\nsecond cue\n00:05.000 --> 00:06.000\n7\n\n"
        "NOTES\n00:07.000 --> 00:08.000\nLast"
    )
    assert parse_cues(text) == [Cue(3, 4, "Hello"), Cue(5, 6, "7"), Cue(7, 8, "Last")]


# --- rolling captions -----------------------------------------------------------------------------

ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:01.000 --> 00:00:03.990 align:start position:0%
_
the<00:00:01.300><c> first</c><00:00:02.000><c> words</c>

00:00:03.990 --> 00:00:04.000 align:start position:0%
the first words
_

00:00:04.000 --> 00:00:06.990 align:start position:0%
the first words
and<00:00:04.500><c> then</c><00:00:05.000><c> the</c><00:00:05.500><c> next</c>

00:00:06.990 --> 00:00:07.000 align:start position:0%
and then the next
_

00:00:07.000 --> 00:00:09.000 align:start position:0%
and then the next
and<00:00:07.500><c> the</c><00:00:08.000><c> last</c>
""".replace("_\n", " \n")  # a row of one space keeps the cue from ending
ROLLED = [
    Cue(1, 4, "the first words"),
    Cue(4, 7, "and then the next"),
    Cue(7, 9, "and the last"),
]


def to_srt(vtt: str) -> str:
    """Convert the cues to SubRip, as converters do."""
    blocks = vtt.split("\n\n")[1:]
    numbered = (f"{n}\n{block.strip()}" for n, block in enumerate(blocks, 1))
    return "\n\n".join(numbered).replace(" align:start position:0%", "").replace(".", ",")


def test_rolling_captions_give_each_line_once() -> None:
    assert parse_cues(ROLLING) == ROLLED
    assert parse_cues(to_srt(ROLLING)) == ROLLED


def test_captions_rolling_by_three_rows_give_each_line_once() -> None:
    rows = ["one", "two", "three", "four", "five"]
    shown = ["\n".join(rows[max(0, n - 2) : n + 1]) for n in range(5)]
    text = "".join(
        f"{n + 1}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{said}\n\n"
        for n, said in enumerate(shown)
    )
    assert parse_cues(text) == [Cue(n, n + 1, row) for n, row in enumerate(rows)]


def test_a_repeated_row_is_kept_in_other_subtitles() -> None:
    said = ["No.", "No.\nNever.", "Why?", "Because.", "But", "why?", "I said", "so.", "Oh."]
    text = "".join(
        f"{n + 1}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{row}\n\n" for n, row in enumerate(said)
    )
    assert [cue.text for cue in parse_cues(text)] == said


# --- other formats --------------------------------------------------------------------------------


def test_lyrics_are_read() -> None:
    text = (
        "[ti:A song]\n[00:01.50]Hello\n[00:03.00][00:09.00]Twice\n"
        "[00:05.00]<00:05.00>word <00:05.50>by word\n[00:07]\n[01:12.25]last\n"
    )
    expected = [
        Cue(1.5, 3, "Hello"), Cue(3, 5, "Twice"), Cue(5, 7, "word by word"), Cue(9, 72.25, "Twice"),
        Cue(72.25, 76.25, "last"),
    ]  # fmt: skip
    assert parse_cues(text) == expected
    earlier = parse_cues("[offset:+500]\n" + text)
    assert [cue.start for cue in earlier] == [cue.start - 0.5 for cue in expected]


def test_frames_use_the_rate_of_the_file_or_of_the_film() -> None:
    text = "{25}{75}First|row\n{100}{150}{Y:i}Second\n"
    expected = [Cue(1, 3, "First\nrow"), Cue(4, 6, "Second")]
    assert parse_cues(text, Fraction(25)) == expected
    assert parse_cues("{1}{1}25.000\n" + text, Fraction(24)) == expected
    assert parse_cues(text, Fraction(24_000, 1001))[0].start == pytest.approx(1.043, abs=0.0006)
    with pytest.raises(UnknownFrameRate, match="frame rate is not known"):
        parse_cues(text)
    with pytest.raises(UnknownFrameRate):
        parse_cues("{1}{1}0\n" + text)


def test_tenths_of_seconds_are_read() -> None:
    assert parse_cues("[10][30]First|row\n[40][60]/second\n") == [
        Cue(1, 3, "First\nrow"),
        Cue(4, 6, "second"),
    ]


SAMI = """<SAMI>
<HEAD><TITLE>x</TITLE><STYLE TYPE="text/css"><!--
P { margin-left: 8pt; } .KRCC { Name: Korean; lang: ko-KR; } .ENCC { Name: English; }
--></STYLE></HEAD>
<BODY>
<SYNC Start=1000><P Class=KRCC>안녕<br>하세요
<SYNC Start=1000><P Class="ENCC">Hello <i>there</i></P></SYNC>
<SYNC Start=3000><P Class=KRCC>&nbsp;<P Class=ENCC>&nbsp;
<sync start='5000'><p class=KRCC>둘째
<SYNC Start=6500 End=7000><P Class=ENCC>R&amp;B
and blues
</BODY></SAMI>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16"])
def test_sami_is_read_language_by_language(encoding: str) -> None:
    assert read(SAMI.encode(encoding)) == [
        Cue(1, 3, "안녕\n하세요"),
        Cue(1, 3, "Hello there"),
        Cue(5, 9, "둘째"),
        Cue(6.5, 10.5, "R&B and blues"),
    ]


TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
    xmlns:tts="http://www.w3.org/ns/ttml#styling" xmlns:ttm="http://www.w3.org/ns/ttml#metadata"
    ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001" ttp:tickRate="10000000" xml:lang="en">
<head><metadata><ttm:title>not a line</ttm:title></metadata></head>
<body><div>
<p begin="00:00:01.500" end="00:00:03.000">Where did <span tts:fontStyle="italic">she</span>
   go?</p>
<p begin="40000000t" dur="1s">in ticks<br/>and rows</p>
<p begin="00:00:06:12" end="00:00:07:00">in frames</p>
<p begin="8s" end="8500ms">1 &lt;i&gt; &amp; 2</p>
<p begin="broken" end="9s">lost</p>
</div>
<div begin="10s"><p begin="1s" end="2s">later</p></div>
<div timeContainer="seq"><p dur="0.2s">first</p><p begin="0.1s" dur="0.2s">second</p></div>
<div><p><span begin="20s" end="21s">by</span> <span begin="21s" end="22s">spans</span></p></div>
</body></tt>
"""


def test_ttml_may_begin_with_a_comment() -> None:
    body = TTML[TTML.index("<tt") :]
    assert parse_cues(f"<!-- made by hand -->\n{body}") == parse_cues(TTML)


@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.w3.org/ns/ttml",
        "http://www.w3.org/2006/10/ttaf1",
        "http://www.w3.org/2006/04/ttaf1",
    ],
)
def test_ttml_is_read(namespace: str) -> None:
    found = parse_cues(TTML.replace("http://www.w3.org/ns/ttml", namespace))
    frame = 1001 / 24_000
    assert [cue.text for cue in found] == [
        "first", "second", "Where did she go?", "in ticks\nand rows", "in frames", "1 <i> & 2",
        "later", "by", "spans",
    ]  # fmt: skip
    starts_and_ends = [(cue.start, cue.end) for cue in found]
    assert starts_and_ends == [
        (0, 0.2), (pytest.approx(0.3), 0.5), (1.5, 3), (4, 5),
        (pytest.approx(6 + 12 * frame, abs=0.001), 7), (8, 8.5), (11, 12), (20, 21), (21, 22),
    ]  # fmt: skip


ENTITIES = "<!ENTITY e0 'ha'>" + "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"<?xml version='1.0'?><!DOCTYPE tt [{ENTITIES}]><tt>&e9;</tt>", "DOCTYPE"),
        ("<?xml version='1.0'?><!DOCTYPE tt SYSTEM 'file:///etc/passwd'><tt/>", "DOCTYPE"),
        ("<?xml version='1.0'?><tt xmlns='http://www.w3.org/ns/ttml'><body>", "damaged"),
        ("<?xml version='1.0'?><html/>", "not contain TTML"),
        ("<tt xmlns='http://example.org/'/>", "not contain TTML"),
        (
            "<tt xmlns='http://www.w3.org/ns/ttml'><body>"
            + "<div>" * 5000 + "</div>" * 5000 + "</body></tt>",
            "nested too deep",
        ),
        ("<tt xmlns='http://www.w3.org/ns/ttml'><body/></tt>", "No timed lines"),
        ("# VobSub index file, v7\ntimestamp: 00:00:01:000, filepos: 0\n", "VobSub: .sub and .idx"),
    ],
    ids=["entities", "external", "damaged", "html", "other", "deep", "empty", "vobsub"],
)  # fmt: skip
def test_unreadable_subtitles_say_why(text: str, sentence: str) -> None:
    with pytest.raises(SubtitlesError, match=sentence):
        parse_cues(text)


@pytest.mark.parametrize(
    "text",
    [
        "<SAMI>" + "<SYNC Start=1000><P>" * 100_000,
        "<SAMI>" + "<" * 2_000_000,
        "<SAMI>" + "<!--" * 500_000,
        "<tt xmlns='http://www.w3.org/ns/ttml'><body>" + "<div/>" * 300_000 + "</body></tt>",
        "[00:01.00]" * 200_000,
        "[00:01.00]x\n" * 200_000,
        "[offset:" * 300_000,
        "{1}{2}" * 300_000,
        "{1}{1}" + "9" * 2_000_000,
        "[1][2]" * 300_000,
        "00: " * 500_000,
        "1 " * 1_000_000,
        "WEBVTT\n\n" + "NOTE\n" * 400_000,
        "[" * 2_000_000,
        "\n1" * 1_000_000 + "\n00:00:01,000 --> 00:00:02,000\nx",
    ],
)
def test_a_malicious_file_does_not_occupy_a_worker(text: str) -> None:
    """A parser that is quadratic in the length of these files takes hours, on any machine."""
    started_at = time.process_time()
    try:
        found = parse_cues(text, Fraction(25))
    except SubtitlesError:
        found = []
    assert time.process_time() - started_at < 60
    assert all(len(cue.text) <= subtitles.MAX_TEXT_LENGTH for cue in found)


# --- embedded fonts -------------------------------------------------------------------------------

FONT_LINE = (
    "[!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ\\]^_`!\"#$%&'()*+,-./01234\n"
)


def make_ssa_with_fonts(size: int) -> str:
    """A SubStation Alpha file with embedded fonts of `size` characters."""
    lines = FONT_LINE * (size // len(FONT_LINE))
    return (
        f"[Script Info]\n\n[Fonts]\nfontname: a.ttf\n{lines}\n[Graphics]\n{lines}\n{EVENT}Hello\n"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_embedded_fonts_do_not_count_as_text(encoding: str, settings: Any) -> None:
    settings.MAX_SUBTITLE_BYTES = 1000
    data = read_file(io.BytesIO(make_ssa_with_fonts(200_000).encode(encoding)))
    assert len(data) < 500
    assert read(data) == [Cue(1, 2, "Hello")]


def test_a_large_file_is_read_in_bounded_memory(settings: Any) -> None:
    settings.MAX_SUBTITLE_BYTES = 100_000
    embedded = io.BytesIO(make_ssa_with_fonts(2_000_000).encode())
    one_line = io.BytesIO(b"x" * 5_000_000)
    tracemalloc.start()
    try:
        assert read(read_file(embedded)) == [Cue(1, 2, "Hello")]
        with pytest.raises(SubtitlesError, match="larger than 100 kB"):
            read_file(one_line)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_too_many_embedded_fonts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gallery.transcripts.subtitle_text.MAX_EMBEDDED_BYTES", 50_000)
    with pytest.raises(SubtitlesError, match="larger than"):
        read_file(io.BytesIO(make_ssa_with_fonts(60_000).encode()))


def test_a_line_that_looks_like_a_section_is_text() -> None:
    text = srt("[Fonts]", "[Events] are over")
    assert [cue.text for cue in read(read_file(io.BytesIO(text.encode())))] == [
        "[Fonts]",
        "[Events] are over",
    ]
