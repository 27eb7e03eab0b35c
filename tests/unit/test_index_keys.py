"""Keys and packed values of the index, without a server."""

import pytest

from gallery.index.bitmap import pack_seconds, unpack_seconds
from gallery.index.frame_index import FrameIndex
from gallery.index.knn import parse_neighbour
from gallery.index.server import is_cluster, node_url


@pytest.mark.parametrize("seconds", [set(), {0}, {7}, {8}, {0, 1, 9, 43_199}])
def test_seconds_are_packed_into_a_bitmap(seconds: set[int]) -> None:
    packed = pack_seconds(seconds)
    assert unpack_seconds(packed) == seconds
    assert sum(byte.bit_count() for byte in packed) == len(seconds)
    assert len(packed) == -(-(max(seconds, default=-1) + 1) // 8)


def test_bits_are_in_the_order_of_redis() -> None:
    """SETBIT 0 sets the highest bit of the first byte."""
    assert pack_seconds([0, 9]) == b"\x80\x40"


def test_the_hash_tag_of_a_key_is_its_film() -> None:
    index = FrameIndex(None, prefix="imgsearch:0123456789ab", width=8)  # type: ignore[arg-type]
    assert index.frame_key(12, 3400) == "imgsearch:0123456789ab:{12}:3400"
    assert index.seconds_key(12) == "imgsearch:0123456789ab:seconds:{12}"


def test_a_frame_is_read_from_its_key() -> None:
    key = b"imgsearch:0123456789ab:{12}:3400"
    found = parse_neighbour(key, [b"distance", b"0.25", b"shot", b"7"])
    assert found == (12, 3400, 7, pytest.approx(0.75))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis+cluster://:secret@one:7000", "redis://:secret@one:7000"),
        ("rediss+cluster://one:7000?ssl_cert_reqs=none", "rediss://one:7000?ssl_cert_reqs=none"),
    ],
)
def test_the_url_of_a_cluster_names_one_of_its_servers(url: str, named: str) -> None:
    assert is_cluster(url)
    assert node_url(url) == named


@pytest.mark.parametrize("url", ["redis://one:6379/0", "unix:///run/redis.sock?db=0"])
def test_the_url_of_a_server_is_used_as_it_is(url: str) -> None:
    assert not is_cluster(url)
    assert node_url(url) == url
