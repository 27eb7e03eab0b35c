"""Tools for language models, by the SDK's own client: `manage.py mcp` in a process of its own."""

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import anyio
import httpx2 as httpx
import pytest
from django.conf import settings as product
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from gallery.accounts import tokens
from gallery.boards.models import Board
from gallery.core.rate_limits import parse_rate
from gallery.films.models import Film
from tests.asking import create_user
from tests.processes import ROOT, Process, find_free_port, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "http://scenes.example.org"


@pytest.fixture
def ada(transactional_db: None) -> Any:
    return create_user("ada")


def run_local(
    steps: Callable[[Client], Awaitable[None]], *arguments: str, errors: TextIO = sys.stderr
) -> None:
    """Run steps with a client of a server on standard input and output."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["manage.py", "mcp", *arguments],
        env={**os.environ, "PUBLIC_URL": SITE},
        cwd=ROOT,
    )

    async def main() -> None:
        async with Client(stdio_client(server, errlog=errors)) as client:
            await steps(client)

    anyio.run(main)


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """Call a tool that answers."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that refuses, and return why."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error, answer.structured_content
    return str(answer.content[0].text)


def test_an_assistant_searches_looks_and_collects(demo_film: Film, ada: Any) -> None:
    async def steps(client: Client) -> None:
        assert client.server_info.version == product.VERSION
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert len(tools) == 16
        assert all(tool.description for tool in tools.values())
        assert tools["search_scenes"].annotations.read_only_hint
        assert not tools["add_to_board"].annotations.read_only_hint

        listed = await call(client, "list_films", title="rocket")
        assert listed["model"] == "demo"
        [film] = listed["films"]
        assert (film["film"], film["shots"], film["languages"]) == (demo_film.pk, 32, ["en", "zh"])

        found = await call(client, "search_scenes", words="a dog in the snow", count=2)
        best, other = found["scenes"]
        assert (best["second"], best["timecode"], best["matches"]) == (11, "00:00:10:20", True)
        assert not other["matches"]
        assert best["page"] == f"{SITE}/films/{demo_film.pk}/frames/11/?in=260f&out=334f"
        assert found["page"] == f"{SITE}/?q=a+dog+in+the+snow"
        said = await call(client, "search_scenes", words="moon", where="said")
        assert said["scenes"][0]["line"] == "Sorry, madam. This flight does not stop at the moon."
        frame = {"film": demo_film.pk, "second": 11}
        similar = await call(client, "search_scenes", like=[frame], avoid="snow", count=1)
        assert similar["has_more"]

        details = await call(client, "get_frame", **frame)
        assert details["scene"]["start"] == pytest.approx(260 / 24)
        assert details["citation"].endswith(f"{SITE}/films/{demo_film.pk}/frames/11/")
        [picture] = (await client.call_tool("look_at_frame", frame)).content
        assert (picture.type, picture.mime_type) == ("image", "image/jpeg")
        scores = await call(client, "score_words", **frame, words=["a dog", "a cat"])
        assert scores["a dog"] > 0.9
        lines = await call(client, "read_dialogue", film=demo_film.pk, end=20, language="en")
        assert all(line["language"] == "en" and line["start"] < 20 for line in lines["result"])
        clip = await call(client, "get_clip", film=demo_film.pk, start=1, end=2)
        assert clip["clip"] == f"{SITE}/films/{demo_film.pk}/exact/24-48.mp4"

        board = await call(client, "create_board", name="Dogs")
        scene = {"film": demo_film.pk, "start": best["start"], "end": best["end"]}
        filled = await call(client, "add_to_board", board=board["board"], **scene, note="first")
        assert [(one["note"], one["timecode"]) for one in filled["scenes"]] == [
            ("first", "00:00:10:20")
        ]
        listed = (await call(client, "list_boards"))["result"]
        assert [one["name"] for one in listed] == ["Dogs"]
        assert (await call(client, "get_board", board=board["board"])) == filled

    run_local(steps, "--user=ada")
    board = Board.objects.get()
    assert (board.owner.username, board.name) == ("ada", "Dogs")


def test_an_assistant_makes_a_storyboard(demo_film: Film, ada: Any) -> None:
    async def steps(client: Client) -> None:
        made = await call(
            client, "create_storyboard", script="a dog in the snow\nan astronaut (2 s)", name="Two"
        )
        token = made["storyboard"]
        first, second = made["rows"]
        assert first["scene"]["timecode"] == "00:00:10:20"
        assert second["scene"]["end"] - second["scene"]["start"] == pytest.approx(2)
        chosen = await call(client, "choose_scene", storyboard=token, row=1, candidate=1)
        assert chosen["rows"][0]["is_locked"]
        assert chosen["rows"][0]["scene"]["second"] == first["candidates"][1]["second"]
        changed = await call(
            client, "rewrite_row", storyboard=token, row=2, text="a cat in a meadow"
        )
        assert changed["rows"][1]["text"] == "a cat in a meadow"
        assert changed["rows"][1]["candidates"] != second["candidates"]
        assert (await call(client, "get_storyboard", storyboard=token)) == changed
        saved = await call(client, "save_storyboard", storyboard=token)
        assert [one["note"] for one in saved["scenes"]] == [
            "a dog in the snow",
            "a cat in a meadow",
        ]
        assert saved["left_out"] == []
        why = await refusal(client, "choose_scene", storyboard=token, row=9, candidate=0)
        assert "This row does not exist." in why
        why = await refusal(client, "choose_scene", storyboard=token, row=1, candidate=99)
        assert "There is no candidate 99" in why

    run_local(steps, "--user=ada")


def test_errors_say_what_to_do(demo_film: Film, ada: Any) -> None:
    foreign = Board.objects.create(name="Ada's", owner=ada)

    async def steps(client: Client) -> None:
        assert "Enter words" in await refusal(client, "search_scenes")
        assert "count" in await refusal(client, "search_scenes", words="dog", count=999)
        missing = {"film": demo_film.pk, "second": 9999}
        assert "There is nothing with this id" in await refusal(client, "get_frame", **missing)
        why = await refusal(client, "get_clip", film=demo_film.pk, start=3, end=2)
        assert "must start before it ends" in why
        assert "--user NAME" in await refusal(client, "create_board", name="Dogs")
        scene = {"film": demo_film.pk, "start": 1, "end": 2}
        why = await refusal(client, "add_to_board", board=foreign.token, **scene)
        assert "--user NAME" in why

    run_local(steps)
    assert foreign.scenes.count() == 0


def test_a_closed_site_answers_users_only(
    demo_film: Film, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_NEEDS_LOGIN", "1")

    async def refused(client: Client) -> None:
        assert "--user NAME" in await refusal(client, "search_scenes", words="a dog")

    async def answered(client: Client) -> None:
        assert (await call(client, "search_scenes", words="a dog"))["scenes"]

    run_local(refused)
    run_local(answered, "--user=ada")


def test_tools_refuse_what_the_api_refuses_and_say_why(
    demo_film: Film, ada: Any, tmp_path: Path
) -> None:
    board = Board.objects.create(name="Own", owner=ada)
    film = {"film": demo_film.pk}
    place = {"board": board.token, **film, "start": 1, "end": 2}

    async def steps(client: Client) -> None:
        made = await call(client, "create_storyboard", script="a dog\na cat")
        row = {"storyboard": made["storyboard"], "row": 1}
        refused: list[tuple[str, dict[str, Any], str]] = [
            *(("create_board", {"name": name}, "name") for name in ("", "  ", "a\0b", "a\nb")),
            ("add_to_board", {**place, "note": "a\0b"}, "note"),
            *(("rewrite_row", {**row, "text": text}, "text") for text in ("", " ", "a\0", "a\nb")),
            ("create_storyboard", {"script": "a dog", "name": "a\0b"}, "name"),
            ("rewrite_row", {**row, "row": 10**30, "text": "a"}, "less than or equal to 200"),
            ("choose_scene", {**row, "candidate": 10**30}, "less than 1000"),
            ("list_films", {"title": "a" * 100_000}, "at most 200 characters"),
            ("read_dialogue", {**film, "language": "a\0"}, "language"),
            ("search_scenes", {"words": "a\0b"}, "words"),
            ("search_scenes", {"words": "cat", "films": list(range(201))}, "at most 200 items"),
            ("search_scenes", {"words": "film:rocket"}, "list_films lists films"),
            ("search_scenes", {"words": "a cat year:"}, "Write a year after"),
        ]
        for tool, arguments, reason in refused:
            assert reason in await refusal(client, tool, **arguments), (tool, arguments)
        [found] = (await call(client, "list_films", title=" "))["films"]
        assert found["film"] == demo_film.pk
        assert not (await call(client, "list_films", from_year=1900))["films"]  # it has no year

        # A clip ends with the film, and its page and its frame exist.
        scene = await call(client, "get_clip", **film, start=100, end=10**6)
        assert scene["end"] == pytest.approx(demo_film.duration, abs=0.1)
        assert demo_film.clock.seconds(int(scene["clip"].split("-")[-1][:-4])) == scene["end"]
        await call(client, "get_frame", **film, second=scene["second"])

    log = tmp_path / "log"
    with log.open("w") as errors:
        run_local(steps, "--user=ada", errors=errors)
    assert "Traceback" not in log.read_text()
    assert board.scenes.count() == 0


def test_boards_and_searches_of_tools_are_limited(
    reset_rate_limits: None, demo_film: Film, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARD_RATE", "2/d")
    monkeypatch.setenv("SEARCH_RATE", "3/d")

    async def steps(client: Client) -> None:
        await call(client, "create_board", name="One")
        made = await call(client, "create_storyboard", script="a dog\na cat")
        assert "Too many requests" in await refusal(client, "create_board", name="Two")
        row = {"storyboard": made["storyboard"], "row": 1}
        await call(client, "rewrite_row", **row, text="a rocket")
        assert "Too many requests" in await refusal(client, "rewrite_row", **row, text="a boat")
        assert "Too many requests" in await refusal(client, "create_storyboard", script="a dog")
        kept = await call(client, "get_storyboard", storyboard=made["storyboard"])
        assert kept["rows"][0]["text"] == "a rocket"

    run_local(steps, "--user=ada")


# --- HTTP ---------------------------------------------------------------------------------------


@pytest.fixture
def http_server(tmp_path: Path, demo_film: Film) -> Any:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    process = Process(
        ["manage.py", "mcp", f"--http={port}"],
        tmp_path / "mcp.log",
        PUBLIC_URL=SITE,
        API_RATE="5/m",
    )
    process.start()

    def answers() -> bool:
        assert process.is_running(), process.output()
        try:
            return httpx.post(url, timeout=20).status_code == 401
        except httpx.TransportError:
            return False

    wait_for(answers)
    yield url
    process.stop()


@asynccontextmanager
async def http_client(url: str, secret: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def test_http_needs_a_token_and_acts_for_its_user(http_server: str, ada: Any) -> None:
    _token, secret = tokens.create_token(ada.pk, "assistant")
    _token, of_bob = tokens.create_token(create_user("bob").pk, "assistant")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({}, {"Authorization": "Bearer scene_wrong"}):
        assert httpx.post(http_server, json=message, headers=headers).status_code == 401
    stranger = {"Authorization": f"Bearer {secret}", "Host": "evil.example.com"}
    assert httpx.post(http_server, json=message, headers=stranger).status_code in (403, 421)

    async def main() -> None:
        async with http_client(http_server, secret) as client:
            assert (await call(client, "search_scenes", words="a dog"))["scenes"]
            board = await call(client, "create_board", name="Dogs")
        async with http_client(http_server, of_bob) as client:
            scene = {"film": 1, "start": 1, "end": 2}
            why = await refusal(client, "add_to_board", board=board["board"], **scene)
            assert "belongs to someone else" in why
            for _ in range(4):
                await call(client, "list_films")
            assert "Too many requests" in await refusal(client, "list_films")

    anyio.run(main)
    assert Board.objects.get().owner == ada


def test_http_limits_unknown_tokens_of_an_address(
    reset_rate_limits: None, http_server: str, ada: Any
) -> None:
    most, _seconds = parse_rate(tokens.MAX_UNKNOWN_TOKENS)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    # The minute may end meanwhile. The proxy (PUBLIC_URL) adds the address of the client last.
    for number in range(2 * most + 1):
        headers = {
            "Authorization": f"Bearer scene_{number}",
            "X-Forwarded-For": f"10.9.9.{number}, 10.1.2.3",
        }
        response = httpx.post(http_server, json=message, headers=headers)
        if response.status_code != 401:
            break
    assert number >= most
    assert (response.status_code, response.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(response.headers["Retry-After"]) <= 61
    # A known token still works from this address.
    _token, secret = tokens.create_token(ada.pk, "assistant")

    async def main() -> None:
        async with http_client(http_server, secret) as client:
            await call(client, "list_films")

    anyio.run(main)
