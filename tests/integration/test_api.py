"""The API: the responses of every operation, and its errors."""

import io
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from openapi_spec_validator import validate
from PIL import Image

from gallery.films.models import Film
from gallery.labels import jobs
from gallery.labels.models import Label
from gallery.search import engine
from gallery.search.address import parse_query
from tests.asking import ROOT, Api, Json, list_all, send_picture, to_jpeg

# --- the schema -----------------------------------------------------------------------------------


@pytest.fixture
def openapi(anonymous: Api) -> Json:
    answer: Json = anonymous.get("/openapi.json")
    return answer


def test_the_schema_is_valid_openapi(openapi: Json) -> None:
    validate(openapi)
    assert openapi["openapi"].startswith("3.1")


def list_operations(openapi: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_operation_is_described(openapi: Json) -> None:
    seen = set()
    for path, method, operation in list_operations(openapi):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"][0] in {tag["name"] for tag in openapi["tags"]}, where
        assert {"401", "429", "503"} <= set(operation["responses"]), where
        assert "security" in operation, where
        seen.add(operation["operationId"])
        for status, answer in operation["responses"].items():
            if status != "204":
                body = answer["content"]["application/json"]["schema"]
                assert body.get("$ref"), f"{where} {status}: an answer without a type"
        for parameter in operation["parameters"]:
            if parameter["in"] == "query":
                assert parameter["schema"].get("description"), f"{where} {parameter['name']}"
    assert len(seen) == 32


def test_the_schema_says_what_needs_a_token(openapi: Json) -> None:
    needs = {o["operationId"] for _p, _m, o in list_operations(openapi) if {} not in o["security"]}
    assert needs == {
        *("list_boards", "make_board", "rename_board", "delete_board", "collect_scene"),
        *(
            "change_scene",
            "remove_scene",
            "export_clips",
            "export_board_film",
            "list_storyboards",
            "create_storyboard",
        ),
        *("delete_export", "save_storyboard", "change_storyboard_row", "delete_storyboard"),
    }


def test_the_documentation_page_needs_no_script(page: Client, openapi: Json) -> None:
    response = page.get(f"{ROOT}/docs")
    text = response.content.decode()
    for _path, _method, operation in list_operations(openapi):
        assert f'id="ask-{operation["operationId"]}"' in text
    assert not re.findall(r"<script(?![^>]*src=)", text)
    assert not re.findall(r"""(?:src|href)=["']https?://""", text)
    for anchor in set(re.findall(r'href="#([^"]+)"', text)) - {"main"}:
        assert f'id="{anchor}"' in text


# --- searching ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "q=a+dog",
        "q=a+dog+-snow&sort=time",
        "q=%E5%A4%9C%E6%99%9A&in=seen",
        "q=mine+has+craters&in=said",
        "frame=FILM-12",
        "q=night&w=2&frame=FILM-12*0.5&more=FILM-61&less=FILM-2",
        "q=cat&not=space,night&film=FILM&from=&to=&label=",
        "q=dog&page=2",
    ],
)
def test_page_and_api_agree(address: str, anonymous: Api, demo_film: Film) -> None:
    given = address.replace("FILM", str(demo_film.pk))
    from django.http import QueryDict

    expected = engine.search(parse_query(QueryDict(given)))
    found = anonymous.get(f"/search?{given}")
    assert expected.hits
    assert [(h["film"]["id"], h["frame"]["second"]) for h in found["results"]] == [
        hit.key for hit in expected.hits
    ]
    assert [h["relevance"] for h in found["results"]] == [hit.relevance for hit in expected.hits]
    assert found["matches"] == expected.matches
    # The page at the given URL shows the same.
    page = Client().get(found["search_page"])
    shown = re.findall(
        r'class="card[^"]*"[^>]*>.*?/frames/(\d+)/', page.content.decode(), re.DOTALL
    )
    assert [int(second) for second in shown] == [h["frame"]["second"] for h in found["results"]]


def test_a_frame_url_among_the_words_is_an_example(anonymous: Api, demo_film: Film) -> None:
    pasted = quote(f"http://testserver/films/{demo_film.pk}/frames/12/")
    by_address = anonymous.get(f"/search?q={pasted}")
    by_frame = anonymous.get(f"/search?frame={demo_film.pk}-12")
    assert by_address["results"] == by_frame["results"]


def test_a_hit_has_all_that_is_needed_to_cite_it(anonymous: Api, demo_film: Film) -> None:
    hit = anonymous.get("/search?q=a+dog+in+the+snow&in=seen")["results"][0]
    assert hit["film"]["title"] == demo_film.title
    assert hit["shot"] == {"number": 4}
    assert hit["scene"]["timecode_in"] == "00:00:10:20"
    assert (hit["scene"]["first_frame"], hit["scene"]["end_frame"]) == (260, 334)
    assert hit["relevance"] == 1.0
    assert hit["frame"]["timecode"] == demo_film.clock.timecode(hit["frame"]["time"])


def test_the_matching_words_of_a_line_are_marked(anonymous: Api, demo_film: Film) -> None:
    line = anonymous.get("/search?q=mine+has+craters&in=said")["results"][0]["line"]
    assert line["text"] == "Everyone has a dream. Mine has craters."
    assert "".join(part["text"] for part in line["parts"]) == line["text"]
    assert [part["text"] for part in line["parts"] if part["asked"]] == ["Mine", "has", "craters"]


def test_every_url_of_a_hit_works(anonymous: Api, demo_film: Film) -> None:
    hit = anonymous.get("/search?q=dog&page_size=1")["results"][0]
    at_once = [v for v in [*hit["frame"].values(), hit["film"]["url"]] if str(v).startswith("http")]
    made_when_asked_for = [v for v in hit["scene"].values() if str(v).startswith("http")]
    assert (len(at_once), len(made_when_asked_for)) == (5, 4)
    for address in at_once:
        assert urlsplit(address).netloc == "testserver"
        assert Client().get(urlsplit(address).path).status_code == 200, address
    names = [resolve(urlsplit(address).path).url_name for address in made_when_asked_for]
    assert names == ["clip", "exact_clip", "animation", "animation"]
    clip = Client().get(urlsplit(made_when_asked_for[0]).path)
    assert b"ftyp" in b"".join(clip.streaming_content)[:16]


def test_pages_of_hits_follow_one_another(anonymous: Api, demo_film: Film) -> None:
    whole = anonymous.get("/search?q=dog&page_size=30")
    assert whole["previous"] is None
    parts = list(list_all(anonymous, "/search?q=dog&page_size=11"))
    assert [h["shot"]["number"] for h in parts[:30]] == [
        h["shot"]["number"] for h in whole["results"]
    ]
    assert len(parts) == 32
    second = anonymous.get("/search?q=dog&page_size=11&page=2")
    assert anonymous.get(second["previous"])["results"] == parts[:11]


def test_labels_narrow_a_search(anonymous: Api, demo_film: Film) -> None:
    label = Label.objects.create(name="Nights", prompts="night", threshold=1.2)
    for film_id in jobs.prepare():
        jobs.label_film(film_id)
    listed = anonymous.get("/labels")["results"]
    assert listed == [{"id": label.pk, "name": "Nights", "shots": 4, "films": 1}]
    assert anonymous.get(f"/labels?film={demo_film.pk + 1}")["results"][0]["shots"] == 0
    assert anonymous.get("/labels?from=1990")["results"][0]["shots"] == 0
    found = anonymous.get(f"/search?q=dog&in=seen&label={label.pk}")["results"]
    assert {hit["shot"]["number"] for hit in found} == {2, 13, 19, 29}
    frame = anonymous.get(f"/films/{demo_film.pk}/frames/61")
    assert frame["labels"] == [label.pk]


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("q=dog&page=0", "page"),
        ("q=dog&page=x", "page"),
        ("q=dog&page_size=101", "page_size"),
        ("q=dog&in=heard", "in"),
        ("q=dog&sort=up", "sort"),
        ("q=dog&from=3000", "from"),
        ("q=dog&film=x", "film"),
        ("q=dog&frame=12", "frame"),
        ("q=dog&picture=..%2F..%2Fetc", "picture"),
        ("q=dog&w=-1", "w"),
        ("q=dog&label=-1", "label"),
    ],
)
def test_an_invalid_parameter_is_named(address: str, field: str, anonymous: Api) -> None:
    error = anonymous.get(f"/search?{address}", 400)
    assert error["code"] == "invalid"
    assert error["details"][0]["field"].split(".")[0] == field
    assert field in error["error"]


@pytest.mark.parametrize("address", ["", "q=", "q=-dog", "not=dog", "q=" + "x" * 501])
def test_an_empty_search_says_what_is_missing(address: str, anonymous: Api) -> None:
    assert anonymous.get(f"/search?{address}", 400)["code"] == "invalid"


def test_a_deleted_frame_is_reported(anonymous: Api, demo_film: Film) -> None:
    assert "not in the index" in anonymous.get("/search?frame=999-1", 400)["error"]


def test_messages_are_translated_and_error_codes_are_not(anonymous: Api) -> None:
    english = anonymous.get("/films/999", 404)
    chinese = anonymous.get("/films/999", 404, **{"Accept-Language": "zh-hans"})
    assert english["code"] == chinese["code"] == "not_found"


# --- pictures -------------------------------------------------------------------------------------


def test_a_picture_can_be_uploaded_and_searched_with(anonymous: Api, demo_film: Film) -> None:
    assert demo_film.searchable_run is not None
    still = Image.open(demo_film.files.run(demo_film.searchable_run).thumbnail(12))
    response = send_picture(anonymous, to_jpeg(still.resize((320, 180))))
    assert response.status_code == 201, response.content
    kept = response.json()
    assert anonymous.client.get(kept["url"]).headers["Content-Type"] == "image/jpeg"
    hit = anonymous.get(kept["search"])["results"][0]
    assert hit["shot"] == {"number": 4}
    same = anonymous.get(f"/search?picture={kept['picture']}*2&page_size=1")["results"][0]
    assert same["shot"] == {"number": 4}


def test_a_file_that_is_not_a_picture_is_refused(anonymous: Api) -> None:
    text = io.BytesIO(b"no picture at all")
    text.name = "a.jpg"
    response = send_picture(anonymous, text)
    assert response.status_code == 400
    assert "This picture cannot be read" in response.json()["error"]
    nothing = anonymous.client.post(f"{ROOT}/pictures", {})
    assert nothing.status_code == 400
    assert nothing.json()["details"][0]["field"] == "picture"


def test_a_picture_that_is_too_large_is_refused_unread(
    anonymous: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MAX_PICTURE_BYTES", 1000)
    large = io.BytesIO(bytes(200_000))
    large.name = "a.jpg"
    response = send_picture(anonymous, large)
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


# --- films ----------------------------------------------------------------------------------------


def test_films_can_be_listed_and_retrieved(anonymous: Api, demo_film: Film) -> None:
    listed = anonymous.get("/films")
    assert (listed["count"], listed["next"], listed["previous"]) == (1, None, None)
    film = listed["results"][0]
    assert anonymous.get(film["url"]) == film
    assert (film["title"], film["rate"], film["shots"]) == (demo_film.title, "24", 32)
    assert film["frames"] == demo_film.frame_count
    assert film["languages"] == ["en", "zh"]
    assert film["sounds"] == [{"number": 0, "language": "und", "title": "", "default": True}]
    assert film["file"] is None
    assert anonymous.client.get(film["poster"]).status_code == 200


def test_films_can_be_filtered(anonymous: Api, demo_film: Film) -> None:
    Film.objects.update(year=1999)
    for asked, count in [
        ("title=borrowed", 1), ("title=nothing", 0), ("from=1999&to=1999", 1), ("from=2000", 0),
        ("to=1998", 0), ("from=", 1),
    ]:  # fmt: skip
        assert anonymous.get(f"/films?{asked}")["count"] == count, asked


def test_many_films_are_paged_with_few_queries(anonymous: Api, demo_film: Film) -> None:
    for number in range(5):
        Film.objects.create(
            title=f"Film {number}", sha256=str(number), searchable_run=1, model=demo_film.model
        )
    titles = [film["title"] for film in list_all(anonymous, "/films?page_size=2")]
    assert len(titles) == len(set(titles)) == 6
    with CaptureQueriesContext(connection) as few:
        anonymous.get("/films?page_size=1")
    with CaptureQueriesContext(connection) as many:
        anonymous.get("/films?page_size=6")
    assert len(many) == len(few)


def test_a_film_that_is_being_imported_is_not_found(anonymous: Api) -> None:
    film = Film.objects.create(title="Later", sha256="0")
    assert anonymous.get("/films")["count"] == 0
    for path in ("", "/shots", "/lines", "/relevance?q=x", "/frames/0", "/scene?start=0&end=1"):
        assert anonymous.get(f"/films/{film.pk}{path}", 404)["code"] == "not_found"


def test_shots_come_in_order(anonymous: Api, demo_film: Film) -> None:
    shots = list(list_all(anonymous, f"/films/{demo_film.pk}/shots?page_size=10"))
    assert [shot["number"] for shot in shots] == list(range(1, 33))
    for one, next_one in pairwise(shots):
        assert one["scene"]["end_frame"] == next_one["scene"]["first_frame"]
    assert shots[3]["scene"]["timecode_in"] == "00:00:10:20"


def test_dialogue_comes_in_order_and_languages(anonymous: Api, demo_film: Film) -> None:
    path = f"/films/{demo_film.pk}/lines"
    lines = list(list_all(anonymous, f"{path}?page_size=50"))
    assert [line["start"] for line in lines] == sorted(line["start"] for line in lines)
    english = anonymous.get(f"{path}?language=EN&start=3.5&end=7&page_size=100")["results"]
    assert [line["text"] for line in english] == [
        "Sorry, madam. This flight does not stop at the moon."
    ]
    assert {line["language"] for line in lines} == {"en", "zh"}
    assert anonymous.get(f"{path}?language=fr")["results"] == []


def test_relevance_over_a_film(anonymous: Api, demo_film: Film) -> None:
    curve = anonymous.get(f"/films/{demo_film.pk}/relevance?q=a+dog+in+the+snow&in=seen")
    assert len(curve["times"]) == len(curve["relevance"]) == len(curve["seconds"])
    best = max(range(len(curve["times"])), key=lambda at: curve["relevance"][at])
    assert 10.8 <= curve["times"][best] < 13.92
    assert curve["matches"] is True
    assert any(10 <= peak["frame"]["second"] < 14 for peak in curve["peaks"])
    assert anonymous.get(f"/films/{demo_film.pk}/relevance", 400)["code"] == "invalid"


# --- frames and scenes ----------------------------------------------------------------------------


def test_a_frame_has_its_shot_and_its_citation(anonymous: Api, demo_film: Film) -> None:
    frame = anonymous.get(f"/films/{demo_film.pk}/frames/12")
    assert frame["shot"] == {"number": 4}
    assert frame["scene"]["first_frame"] == 260
    assert frame["timecode"] == "00:00:12:00"
    assert frame["citation"] == f"{demo_film}, 00:00:12:00, {frame['page']}"
    for second in (500, 10**9 - 1):
        assert anonymous.get(f"/films/{demo_film.pk}/frames/{second}", 404)
    assert anonymous.get(f"/films/{demo_film.pk}/frames/{10**12}", 404)


def test_frames_similar_to_a_frame(anonymous: Api, demo_film: Film) -> None:
    path = f"/films/{demo_film.pk}/frames/12/similar"
    found = anonymous.get(f"{path}?count=3")["results"]
    assert [hit["shot"]["number"] for hit in found] == [
        hit.shot + 1 for hit in engine.similar(demo_film.pk, 12, 3)
    ]
    assert 4 not in {hit["shot"]["number"] for hit in found}
    assert anonymous.get(f"{path}?count=0", 400)


def test_probabilities_of_words_for_a_frame(anonymous: Api, demo_film: Film) -> None:
    path = f"/films/{demo_film.pk}/frames/12/probabilities"
    found = anonymous.get(f"{path}?word=cat&word=dog&word=dog&word=moon")["results"]
    assert found[0]["word"] == "dog"
    assert sorted(one["word"] for one in found) == ["cat", "dog", "moon"]
    assert sum(one["probability"] for one in found) == pytest.approx(1)
    assert anonymous.get(path, 400)["details"][0]["field"] == "word"
    many = "&".join(f"word=w{n}" for n in range(101))
    assert anonymous.get(f"{path}?{many}", 400)["code"] == "invalid"


def test_a_scene_of_any_span(anonymous: Api, demo_film: Film) -> None:
    path = f"/films/{demo_film.pk}/scene"
    scene = anonymous.get(f"{path}?start=10.84&end=12.5")
    assert (scene["first_frame"], scene["end_frame"]) == (260, 300)
    assert scene["clip"].endswith("/clips/260-300.mp4")
    end = anonymous.get(f"{path}?start=107&end=130")
    assert end["end_frame"] == demo_film.clock.frame_from(demo_film.duration)
    for bad in ("start=5&end=4", "start=500&end=501", "start=-1&end=1", "start=1", "start=x&end=1"):
        assert anonymous.get(f"{path}?{bad}", 400)["code"] == "invalid", bad


def test_animations_of_a_long_span_are_shortened(anonymous: Api, demo_film: Film) -> None:
    scene = anonymous.get(f"/films/{demo_film.pk}/scene?start=0&end=60")
    assert scene["exact_clip"].endswith("/0-1440.mp4")
    assert scene["webp"].endswith("/0-360.webp")
    assert scene["gif"].endswith("/0-360.gif")


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nothing", "/films/x", "/films/1/", "/boards/short", "/"])
def test_an_unknown_url_is_not_found(path: str, anonymous: Api) -> None:
    assert anonymous.get(path, 404)["code"] == "not_found"


def test_a_wrong_method_is_reported(anonymous: Api) -> None:
    response = anonymous.client.post(f"{ROOT}/search")
    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"
    assert response.headers["Allow"] == "GET"


def test_an_unreachable_index_is_a_server_error(
    anonymous: Api, demo_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere/redis.sock?db=0")
    response = anonymous.client.get(f"{ROOT}/search?q=dog")
    assert response.status_code == 503
    assert response.json()["code"] == "unavailable"
    assert response.headers["Retry-After"]


def test_an_unexpected_error_is_json_too(
    anonymous: Api, monkeypatch: pytest.MonkeyPatch, static_files: None
) -> None:
    def fail(_query: Any) -> Any:
        raise RuntimeError("a fault for this test")

    monkeypatch.setattr(engine, "search", fail)
    anonymous.client.raise_request_exception = False
    assert anonymous.get("/search?q=dog", 500)["code"] == "internal_error"


def test_an_invalid_json_body_is_reported(ada: Api) -> None:
    for body in ("{", "[]", '"x"', "nonsense"):
        response = ada.client.post(
            f"{ROOT}/boards", body, content_type="application/json", headers=ada.headers
        )
        assert response.status_code == 400
        assert response.json()["code"] == "invalid"
