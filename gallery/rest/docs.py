"""The description of the API for people: a page of this site, made from the OpenAPI description.

It needs no script and no other site. Headings are translated, the details are English.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

Schema = Mapping[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
EXAMPLES = {
    "date-time": "2026-05-01T12:00:00Z",
    "string": "...",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
}
WORDS_OF_FORMATS = {"uri": "address", "date-time": "date and time", "binary": "file"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the words for a type: `schema` is the schema that it names, or ""."""

    text: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of what is sent or answered."""

    name: str
    kind: list[Piece]
    description: str
    required: bool
    where: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer."""

    status: str
    kind: list[Piece]
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    name: str
    method: str
    path: str
    summary: str
    description: list[list[tuple[str, bool]]]
    parameters: list[Field]
    body: list[Field]
    answers: list[Answer]
    refusals: list[str]
    curl: str
    needs_token: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that belong together."""

    name: str
    description: str
    operations: list[Operation]


class Page(DocsBase):
    """The page at /api/v1/docs."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Render it."""
        described = Described(api.get_openapi_schema(), request.build_absolute_uri("/")[:-1])
        context = {
            "api": api,
            "groups": described.groups(),
            "schemas": described.schemas(),
            "description_address": self.get_openapi_url(api, kwargs),
        }
        return render(request, "gallery/api.html", context)


class Described:
    """An OpenAPI description, taken apart for reading."""

    def __init__(self, openapi: Schema, site: str) -> None:
        self.openapi = openapi
        self.site = site

    def groups(self) -> list[Group]:
        """All operations, by their tags."""
        found = list(self._operations())
        return [
            Group(
                gettext(tag["name"]),
                gettext(tag["description"]),
                [op for op, name in found if name == tag["name"]],
            )
            for tag in self.openapi["tags"]
        ]

    def _operations(self) -> Iterator[tuple[Operation, str]]:
        for path, methods in self.openapi["paths"].items():
            for method in METHODS:
                if method in methods:
                    given = methods[method]
                    yield self._operation(path, method, given), given["tags"][0]

    def _operation(self, path: str, method: str, given: Schema) -> Operation:
        parameters = [
            Field(
                one["name"],
                self.kind(_without_null(one["schema"])),
                one["schema"].get("description", ""),
                one.get("required", False),
                one["in"],
            )
            for one in given["parameters"]
        ]
        content = given.get("requestBody", {}).get("content", {})
        body: Schema = next((one["schema"] for one in content.values()), {})
        answers, refusals = [], []
        for status, answer in given["responses"].items():
            if int(status) >= 400:
                refusals.append(str(status))
                continue
            told = answer.get("content", {}).get("application/json", {}).get("schema")
            example = self._json(told) if told else ""
            answers.append(Answer(str(status), self.kind(told) if told else [], example))
        return Operation(
            name=given["operationId"],
            method=method.upper(),
            path=path,
            summary=gettext(given["summary"]),
            description=_paragraphs(given.get("description", "")),
            parameters=parameters,
            body=self.fields(body),
            answers=answers,
            refusals=refusals,
            curl=self._curl(path, method, given),
            needs_token={} not in given["security"],
        )

    def schemas(self) -> list[tuple[str, str, list[Field]]]:
        """Everything that answers are made of: name, description, fields."""
        return [
            (name, schema.get("description", ""), self.fields(schema))
            for name, schema in sorted(self.openapi["components"]["schemas"].items())
            if "properties" in schema
        ]

    # --- types --------------------------------------------------------------------------------

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self.openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def fields(self, schema: Schema) -> list[Field]:
        """The fields of an object."""
        resolved = self._resolved(schema)
        required = resolved.get("required", ())
        return [
            Field(name, self.kind(one), one.get("description", ""), name in required)
            for name, one in resolved.get("properties", {}).items()
        ]

    def kind(self, schema: Schema) -> list[Piece]:
        """A type, in words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            values = self._resolved(schema).get("enum")
            return [Piece(", ".join(values))] if values else [Piece(name, name)]
        if "anyOf" in schema:
            parts = [self.kind(one) for one in schema["anyOf"]]
            joined = [piece for part in parts[1:] for piece in (Piece(" or "), *part)]
            return parts[0] + joined
        if "enum" in schema:
            return [Piece(", ".join(str(one) for one in schema["enum"]))]
        if schema.get("type") == "array":
            return [Piece("list of "), *self.kind(schema.get("items", {}))]
        plain = str(schema.get("type", "anything"))
        return [Piece(WORDS_OF_FORMATS.get(schema.get("format", ""), plain))]

    # --- examples -----------------------------------------------------------------------------

    def example(self, schema: Schema) -> Any:
        """A value of a type, made of the examples of its parts."""
        if schema.get("examples"):
            return schema["examples"][0]
        if "$ref" in schema or "anyOf" in schema:
            return self.example(self._resolved(schema) if "$ref" in schema else schema["anyOf"][0])
        if schema.get("type") == "object":
            return {n: self.example(one) for n, one in schema.get("properties", {}).items()}
        if schema.get("type") == "array":
            return [self.example(schema.get("items", {}))]
        if "enum" in schema:
            return schema["enum"][0]
        return EXAMPLES.get(str(schema.get("format") or schema.get("type")))

    def _json(self, schema: Schema) -> str:
        return json.dumps(self.example(schema), indent=2, ensure_ascii=False)

    def _curl(self, path: str, method: str, given: Schema) -> str:
        """How to ask it in a terminal."""
        parts = ["curl"]
        if {} not in given["security"]:
            parts.append('-H "Authorization: Bearer $TOKEN"')
        if method != "get":
            parts.append(f"-X {method.upper()}")
        asked = []
        for one in given["parameters"]:
            value = self.example(one["schema"])
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", quote(str(value)))
            elif one.get("required") or (one["name"] == "q" and value):
                values = value if isinstance(value, list) else [value]
                asked += [(one["name"], str(v)) for v in values]
        for kind, content in given.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                text = json.dumps(self.example(content["schema"]), ensure_ascii=False)
                parts.append(f"-H 'Content-Type: {kind}' -d '{text}'")
            else:
                parts += [f"-F {name}=@screenshot.png" for name in self._names(content["schema"])]
        address = f"{self.site}{path}" + (f"?{urlencode(asked)}" if asked else "")
        return " ".join([*parts, f'"{address}"'])

    def _names(self, schema: Schema) -> list[str]:
        return list(self._resolved(schema).get("properties", {}))


def _without_null(schema: Schema) -> Schema:
    """A type without null: a parameter is left out instead."""
    parts = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return parts[0] if len(parts) == 1 else schema


def _paragraphs(text: str) -> list[list[tuple[str, bool]]]:
    """The paragraphs of a text, each in pieces, with whether a piece stood between backticks."""
    return [
        [(piece, bool(at % 2)) for at, piece in enumerate(part.split("`"))]
        for part in text.split("\n\n")
    ]
