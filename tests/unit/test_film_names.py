"""Titles and years are guessed from the names of film files."""

import pytest

from gallery.importing.film_names import guess_title


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("The.Town.That.Rain.Forgot.2019.1080p.BluRay.x264-GRP.mkv",
         ("The Town That Rain Forgot", 2019)),
        ("流浪地球.The.Wandering.Earth.2019.mkv", ("流浪地球 The Wandering Earth", 2019)),
        ("[电影天堂www.dytt89.com]流浪地球-2019_HD国语中英双字.mp4", ("流浪地球", 2019)),
        ("卧虎藏龙 2000 国语中字 1080p.mkv", ("卧虎藏龙", 2000)),
        ("Harbour Hotel.1974.mp4", ("Harbour Hotel", 1974)),
        ("千と千尋の神隠し.2001.mkv", ("千と千尋の神隠し", 2001)),
        ("Playtime (1967).mkv", ("Playtime", 1967)),
        ("2001.A.Space.Odyssey.1968.mkv", ("2001 A Space Odyssey", 1968)),
        ("1917.2019.mkv", ("1917", 2019)), ("1984.mkv", ("1984", None)),
        ("C.R.A.Z.Y.2005.mkv", ("C.R.A.Z.Y.", 2005)),
        ("Dune.Part.Two.2024.2160p.UHD.mkv", ("Dune Part Two", 2024)),
        ("Dr. Strangelove (1964).mkv", ("Dr. Strangelove", 1964)),
        ("Show.Name.S01E02.The.Title.720p.mkv", ("Show Name S01E02 The Title", None)),
        ("[Group] Anime - 05 [1080p].mkv", ("Anime - 05", None)),
        ("西游记_S01E05.mkv", ("西游记 S01E05", None)), ("S01E01.mkv", ("S01E01", None)),
        # Names given by users keep all their words, which distinguish films.
        ("Lighthouse (night).mov", ("Lighthouse (night)", None)),
        ("A Day at the Web.mp4", ("A Day at the Web", None)),
        ("Mr. Smith - Live.mov", ("Mr. Smith - Live", None)),
        ("clip-of-lions_v2.mp4", ("clip-of-lions v2", None)),
        ("IMG_20190304_1234.mp4", ("IMG 20190304 1234", None)),
        ("Meeting 2023-05-04.mp4", ("Meeting 2023-05-04", None)),
        ("Let.It.Be.mkv", ("Let It Be", None)), ("film.mp4", ("film", None)),
        ("a", ("a", None)), ("1080p.mkv", ("1080p", None)), ("", ("", None)), ("...", ("", None)),
    ],
)  # fmt: skip
def test_a_file_name_suggests_title_and_year(name: str, expected: tuple[str, int | None]) -> None:
    assert guess_title(name) == expected


def test_any_name_has_a_guess() -> None:
    for name in ("(" * 255, "S01E01" * 42, "2019." * 51, "." * 255, "\x00/\\" * 80, "第1集" * 85):
        assert isinstance(guess_title(name)[0], str)
