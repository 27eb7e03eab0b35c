"""Colours, HDR and interlacing are the same in thumbnails, stills and clips."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gallery.clip import encoder, shot_network
from gallery.core.errors import FilmError
from gallery.media import cutting, decoding, ffmpeg, frame_stream, interlacing, probing, shots
from gallery.media.cutting import ClipSpan
from gallery.media.decoding import read_ppm
from gallery.media.types import Picture, Probe, Span
from tests.films import make_film, presentation_times, run_ffmpeg

PIXELS = 8192 * 4320
COLOUR = (200, 100, 50)
Pixels = NDArray[np.uint8]


def probe(path: Path) -> Probe:
    return probing.probe(path, PIXELS, 3600)


def decode_thumbnails(path: Path) -> tuple[list[Picture], list[float]]:
    """The pictures that are embedded, and the cuts."""
    with frame_stream.stream_frames(
        path, probe(path), Span(0, None), width=640, max_pixels=PIXELS, limit=60
    ) as (some, how):
        pictures = [frame.picture for frame in some]
    return pictures, shots.find_cuts(how.small, shot_network.get_network())


def run_ffmpeg_to(path: Path, arguments: Callable[[Path], list[str]]) -> Path:
    done = ffmpeg.run(arguments(path), 60)
    assert done.status == 0, done.log_text
    if done.output and not path.exists():
        path.write_bytes(done.output)
    return path


def render_everything(
    path: Path, folder: Path, first: int = 5, last: int = 10
) -> dict[str, Picture]:
    """The picture of frame `first` in each output: thumbnail, stills and clips."""
    cut = ClipSpan(path, probe(path), first, last, PIXELS)
    made = {
        "played": run_ffmpeg_to(folder / "played.mp4", lambda _: cutting.playback_arguments(cut)),
        "exported": run_ffmpeg_to(
            folder / "exported.mp4", lambda f: cutting.export_arguments(cut, f)
        ),
    }
    for kind in ("gif", "webp"):
        made[kind] = run_ffmpeg_to(
            folder / f"moving.{kind}", lambda f, k=kind: cutting.animation_arguments(cut, k, f)
        )
    pictures = {
        name: read_first_picture(file) for name, file in made.items() if file.suffix == ".mp4"
    }
    pictures |= {name: Image.open(made[name]).convert("RGB") for name in ("gif", "webp")}
    still = read_ppm(ffmpeg.run(cutting.still_arguments(cut), 60).output)
    assert still is not None
    pictures["still of a frame"] = still
    pictures["still of a second"] = decoding.still(
        path, cut.probe, cut.start + 1e-4, max_pixels=PIXELS
    )
    return pictures


def read_first_picture(clip: Path) -> Picture:
    """As shown by a player that trusts the tags, which must be those of Rec. 709."""
    log_text = ffmpeg.run(["-hide_banner", "-i", str(clip)], 20).log_text
    assert "yuv420p(tv, bt709, progressive)" in log_text
    # Computed from the coded values without FFmpeg.
    data = run_ffmpeg(
        "-i", str(clip), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv444p", "-"
    )
    found = probe(clip)
    y, b, r = np.frombuffer(data, np.uint8).reshape(3, found.height, found.width).astype(float)
    y, b, r = (y - 16) / 219, (b - 128) / 224, (r - 128) / 224
    rgb = np.stack([y + 1.5748 * r, y - 0.1873 * b - 0.4681 * r, y + 1.8556 * b], axis=-1)
    return Image.fromarray((rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8))


def make_colour_film(path: Path, size: str, conversion: str, codec: Sequence[str]) -> Path:
    red, green, blue = COLOUR
    run_ffmpeg(
        *("-f", "lavfi", "-i", f"color=c=0x{red:02x}{green:02x}{blue:02x}:s={size}:r=24:d=1"),
        *("-vf", f"format=gbrp,{conversion}", *codec, str(path)),
    )
    return path


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "1")
BARE = "setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown"
# Its white is the reference white of HDR.
PQ = "zscale=pin=709:tin=709:p=2020:t=smpte2084:npl=203:m=2020_ncl:r=tv"
FILMS: dict[str, tuple[str, str, str, Sequence[str]]] = {
    "HD, untagged": ("a.mp4", "1280x720", f"zscale=m=709:r=tv,format=yuv420p,{BARE}", H264),
    "1080, untagged": ("a.mkv", "1920x1080", f"zscale=m=709:r=tv,format=yuv420p,{BARE}", H264),
    "HD, upright, untagged": (
        "a.mp4",
        "720x1280",
        f"zscale=m=709:r=tv,format=yuv420p,{BARE}",
        H264,
    ),
    "HD, tagged Rec. 601": ("a.mp4", "1280x720", "zscale=m=170m:r=tv,format=yuv420p", H264),
    "PAL, untagged": (
        *("a.ts", "720x576"),
        f"zscale=m=470bg:r=tv,format=yuv420p,setsar=64/45,{BARE}",
        ("-c:v", "mpeg2video", "-q:v", "1"),
    ),
    "NTSC, untagged": (
        *("a.mpg", "720x480"),
        f"zscale=m=170m:r=tv,format=yuv420p,setsar=8/9,{BARE}",
        ("-c:v", "mpeg2video", "-q:v", "1"),
    ),
    "SD, tagged Rec. 709": ("a.mp4", "640x360", "zscale=m=709:r=tv,format=yuv420p", H264),
    "full range, tagged": ("a.mp4", "1280x720", "zscale=m=709:r=pc,format=yuv420p", H264),
    "full range by its codec": (
        *("a.avi", "640x360", f"zscale=m=470bg:r=pc,format=yuv420p,{BARE}"),
        ("-c:v", "mjpeg", "-q:v", "1"),
    ),
    "RGB": ("a.mkv", "1280x720", "format=gbrp", ("-c:v", "libx264rgb", "-qp", "0")),
    "RGB, packed": ("a.avi", "640x360", "format=bgr24", ("-c:v", "rawvideo")),
    "4:4:4": ("a.mp4", "1280x720", "zscale=m=709:r=tv,format=yuv444p", H264),
    "10 bit": ("a.mkv", "1280x720", "zscale=m=709:r=tv,format=yuv420p10le", H264),
    "4:2:2, 10 bit, untagged": (
        *("a.mov", "1280x720", f"zscale=m=709:r=tv,format=yuv422p10le,{BARE}"),
        ("-c:v", "prores_ks", "-profile:v", "3"),
    ),
    "grey of the same lightness": (
        *("a.mkv", "640x360", "format=gray"),
        ("-c:v", "ffv1"),
    ),
    "PQ": ("a.mp4", "1280x720", f"{PQ},format=yuv420p10le", H264),
    "PQ, tagged by its transfer only": (
        *("a.mp4", "1280x720"),
        f"{PQ},format=yuv420p10le,setparams=colorspace=unknown:color_primaries=unknown",
        H264,
    ),
    "PQ, mastered for 4000 cd/m2": (
        *("a.mp4", "640x360", f"{PQ},format=yuv420p10le"),
        (
            *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
            "log-level=error:crf=4:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
            "WP(15635,16450)L(40000000,50):max-cll=0,0",
        ),
    ),
    "HLG": (
        *("a.mp4", "1280x720"),
        f"{PQ.replace('smpte2084', 'arib-std-b67')},format=yuv420p10le",
        H264,
    ),
    "Rec. 2020, standard dynamic range": (
        *("a.mp4", "1280x720"),
        "zscale=pin=709:tin=709:p=2020:t=2020_10:m=2020_ncl:r=tv,format=yuv420p10le",
        H264,
    ),
}


@pytest.mark.parametrize("kind", FILMS)
def test_colours_are_the_same_in_all_outputs(kind: str, tmp_path: Path) -> None:
    name, size, conversion, codec = FILMS[kind]
    film = make_colour_film(tmp_path / name, size, conversion, codec)
    expected = COLOUR
    if kind.startswith("grey"):
        lightness = round(0.299 * COLOUR[0] + 0.587 * COLOUR[1] + 0.114 * COLOUR[2])
        expected = (lightness,) * 3
    pictures = render_everything(film, tmp_path) | {"thumbnail": decode_thumbnails(film)[0][0]}
    for place, picture in pictures.items():
        width, height = picture.size
        pixel = picture.getpixel((width // 3, height // 3))
        assert pixel == pytest.approx(expected, abs=3), place


# --- high dynamic range ---------------------------------------------------------------------------


def test_highlights_are_compressed_and_not_clipped(tmp_path: Path) -> None:
    """Levels up to 1000 cd/m2 remain distinct and in order."""
    film = tmp_path / "a.mp4"
    levels = (100, 203, 300, 500, 700, 1000)  # cd/m2
    linear = "+".join(
        f"{level}*between(X,{i * 40},{i * 40 + 39})" for i, level in enumerate(levels)
    )
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=black:s=240x80:r=24:d=1,format=gbrpf32le"),
        *(
            "-vf",
            f"geq=g='({linear})/1000':b='({linear})/1000':r='({linear})/1000',"
            "setparams=color_trc=linear:color_primaries=bt2020,"
            "zscale=t=smpte2084:m=2020_ncl:p=2020:npl=1000:r=tv,format=yuv420p10le",
        ),
        *(*H264, str(film)),
    )
    picture = decode_thumbnails(film)[0][0]
    seen = [picture.getpixel((20 + 40 * i, 40))[0] for i in range(len(levels))]
    assert sorted(set(seen)) == seen
    assert seen[1] >= 235  # white paper is white
    assert seen[-1] >= 253


def make_dolby_vision(path: Path, profile: int, compatibility: int) -> Path:
    """An MP4 marked as Dolby Vision: its `btrt` box becomes a `dvcC` box."""
    conversion = f"{PQ},format=yuv420p10le"
    make_colour_film(
        path, "320x180", conversion, ("-c:v", "libx265", "-x265-params", "log-level=error")
    )
    data = path.read_bytes()
    at = data.index(b"btrt") + 4
    # Version 1.0; profile, level 1; all layers except the enhancement layer.
    packed = (profile << 9) | (1 << 3) | 0b101
    box = bytes([1, 0, packed >> 8, packed & 255, compatibility << 4])
    path.write_bytes(data[: at - 4] + b"dvcC" + box.ljust(12, b"\0") + data[at + 12 :])
    return path


def test_the_base_layer_of_dolby_vision_is_shown(tmp_path: Path) -> None:
    film = make_dolby_vision(tmp_path / "a.mp4", 8, 1)
    assert decode_thumbnails(film)[0][0].getpixel((100, 100)) == pytest.approx(COLOUR, abs=4)


def test_dolby_vision_without_a_base_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FilmError, match="Dolby Vision profile 5"):
        probe(make_dolby_vision(tmp_path / "a.mp4", 5, 0))


# --- interlacing ----------------------------------------------------------------------------------

BAR = (
    *("-f", "lavfi", "-i", "color=gray:s=720x576:r=50:d=3"),
    *("-f", "lavfi", "-i", "color=white:s=60x576:r=50:d=3"),
)


def measure_combing(picture: Picture) -> float:
    """How much rows differ from both neighbours; the edges of a bar are smooth vertically."""
    rows = np.asarray(picture.convert("L")).astype(float)
    return float(np.abs(rows[2:-2] - (rows[1:-3] + rows[3:-1]) / 2).mean())


def make_interlaced(path: Path, scan: str, codec: Sequence[str], after: str = "") -> Path:
    """A white bar that moves 600 pixels a second, so that its edges are combed."""
    graph = f"[0][1]overlay=x='mod(600*t,720)',interlace=scan={scan}:lowpass=off,setsar=64/45"
    run_ffmpeg(*BAR, "-filter_complex", graph + after, *codec, str(path))
    return path


@pytest.mark.parametrize("scan", ["tff", "bff"])
def test_interlaced_pictures_are_shown_without_combing(scan: str, tmp_path: Path) -> None:
    codec = ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct")
    film = make_interlaced(tmp_path / "a.ts", scan, codec)
    pictures = render_everything(film, tmp_path, 30, 40) | {
        "thumbnail": decode_thumbnails(film)[0][1]
    }
    coded = run_ffmpeg("-i", str(film), "-f", "image2pipe", "-c:v", "png", "-frames:v", "1", "-")
    assert measure_combing(Image.open(io.BytesIO(coded))) > 3
    del pictures["gif"]  # dithering differs between rows
    for place, picture in pictures.items():
        assert measure_combing(picture) < 0.5, place
    assert len(presentation_times(tmp_path / "exported.mp4")) == 10


@pytest.mark.parametrize("scan", ["tff", "bff"])
def test_unmarked_interlacing_is_detected(scan: str, tmp_path: Path) -> None:
    film = make_interlaced(tmp_path / "a.mkv", scan, H264, ",setfield=prog")
    found = interlacing.detect_field_order(film, probe(film), PIXELS)
    assert found.picture is not None
    assert found.picture.field_order == scan
    still = read_ppm(
        ffmpeg.run(cutting.still_arguments(ClipSpan(film, found, 30, 31, PIXELS)), 60).output
    )
    assert still is not None
    assert measure_combing(still) < 0.5


@pytest.mark.parametrize("picture", ["testsrc2=s=720x576:r=25", "color=gray:s=720x576:r=25"])
def test_progressive_films_are_not_mistaken_for_interlaced(picture: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mkv", picture=picture, seconds=6)
    found = interlacing.detect_field_order(film, probe(film), PIXELS)
    assert found.picture is not None
    assert found.picture.field_order == ""


def test_interlacing_flags_are_trusted(tmp_path: Path) -> None:
    codec = ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct")
    film = make_interlaced(tmp_path / "a.ts", "tff", codec)
    assert interlacing.detect_field_order(film, probe(film), PIXELS) == probe(film)


def test_progressive_pictures_are_unchanged(tmp_path: Path) -> None:
    """Thin lines, which deinterlacing would lose, are kept."""
    film = tmp_path / "a.mkv"
    lines = "geq=lum='if(mod(Y+N,2),235,16)':cb=128:cr=128"
    run_ffmpeg(
        *("-f", "lavfi", "-i", f"color=gray:s=160x90:r=24:d=2,format=yuv420p,{lines}"),
        *("-c:v", "ffv1", str(film)),
    )
    pictures = render_everything(film, tmp_path, 5, 10)
    for place in ("still of a frame", "still of a second"):
        rows = np.asarray(pictures[place])[:, :, 0].astype(int)
        assert np.abs(np.diff(rows[:, 80])).min() > 250, place


def test_vectors_of_an_hdr_film_agree_with_its_sdr_original(tmp_path: Path) -> None:
    """The demo film's first shots in PQ have the same pictures, shots and scores."""
    demo = Path(__file__).resolve().parents[2] / "demo" / "film.mp4"
    film = tmp_path / "hdr.mp4"
    run_ffmpeg(
        *("-t", "17.25", "-i", str(demo), "-an", "-vf", f"{PQ}:min=709,format=yuv420p10le"),
        *(
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=error:hdr10=1:crf=8",
        ),
        str(film),
    )
    span = Span(0, 18)
    with frame_stream.stream_frames(
        demo, probe(demo), span, width=640, max_pixels=PIXELS, limit=60
    ) as (
        some,
        _how,
    ):
        originals = [frame.picture for frame in some]
    pictures, cuts = decode_thumbnails(film)
    assert cuts == pytest.approx([3.583, 7.0, 10.833, 13.917], abs=0.01)  # five shots
    assert len(pictures) == len(originals) == 18
    for ours, original in zip(pictures, originals, strict=True):
        difference = np.asarray(ours).astype(int) - np.asarray(original)
        assert np.abs(difference).mean() < 8
    loaded = encoder.current()
    words = loaded.embed_text("a dog in the snow")
    ours, originals_ = loaded.embed_pictures(pictures), loaded.embed_pictures(originals)
    assert ours @ words == pytest.approx(originals_ @ words, abs=0.05)
    assert float((ours * originals_).sum(axis=1).min()) > 0.9
