"""The documentation page of the API, rendered from its OpenAPI description without scripts.

Headings are translated, the details are English.
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
Context = dict[str, Any]
EXAMPLES = {
    "date-time": "2026-05-01T12:00:00Z",
    "string": "...",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
}
FORMAT_NAMES = {"uri": "address", "date-time": "date and time", "binary": "file"}


@dataclass(frozen=True, slots=True)
class TypePart:
    """A part of the text of a type; `schema` is the schema that it links to, or ""."""

    text: str
    schema: str = ""


class Page(DocsBase):
    """The page at /api/v1/docs."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Render the page."""
        described = Description(api.get_openapi_schema(), request.build_absolute_uri("/")[:-1])
        context = {
            "api": api,
            "groups": described.groups(),
            "schemas": described.schemas(),
            "description_address": self.get_openapi_url(api, kwargs),
        }
        return render(request, "gallery/rest/api.html", context)


class Description:
    """An OpenAPI description, prepared for the template."""

    def __init__(self, openapi: Schema, site: str) -> None:
        self.openapi = openapi
        self.site = site

    def groups(self) -> list[Context]:
        """Return all operations by tag."""
        return [
            {
                "name": gettext(tag["name"]),
                "description": gettext(tag["description"]),
                "operations": list(self._operations(tag["name"])),
            }
            for tag in self.openapi["tags"]
        ]

    def _operations(self, tag: str) -> Iterator[Context]:
        for path, methods in self.openapi["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield self._operation(path, method, operation)

    def _operation(self, path: str, method: str, operation: Schema) -> Context:
        parameters = [
            self._field(item["name"], _without_null(item["schema"]), item.get("required", False))
            | {"description": item["schema"].get("description", "")}
            for item in operation["parameters"]
        ]
        content = operation.get("requestBody", {}).get("content", {})
        body: Schema = next((item["schema"] for item in content.values()), {})
        answers, refusals = [], []
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                refusals.append(str(status))
                continue
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            example = self._json(schema) if schema else ""
            kind = self.kind(schema) if schema else []
            answers.append({"status": str(status), "kind": kind, "example": example})
        return {
            "name": operation["operationId"],
            "method": method.upper(),
            "path": path,
            "summary": gettext(operation["summary"]),
            "description": _paragraphs(operation.get("description", "")),
            "parameters": parameters,
            "body": self.fields(body),
            "answers": answers,
            "refusals": refusals,
            "curl": self._curl(path, method, operation),
            "needs_token": {} not in operation["security"],
        }

    def schemas(self) -> list[tuple[str, str, list[Context]]]:
        """Return the name, description and fields of all object schemas."""
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

    def fields(self, schema: Schema) -> list[Context]:
        """Return the fields of an object."""
        resolved = self._resolved(schema)
        required = resolved.get("required", ())
        return [
            self._field(name, item, name in required)
            for name, item in resolved.get("properties", {}).items()
        ]

    def _field(self, name: str, schema: Schema, required: bool) -> Context:
        return {
            "name": name,
            "kind": self.kind(schema),
            "description": schema.get("description", ""),
            "required": required,
        }

    def kind(self, schema: Schema) -> list[TypePart]:
        """Describe a type in words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            values = self._resolved(schema).get("enum")
            return [TypePart(", ".join(values))] if values else [TypePart(name, name)]
        if "anyOf" in schema:
            parts = [self.kind(item) for item in schema["anyOf"]]
            joined = [piece for part in parts[1:] for piece in (TypePart(" or "), *part)]
            return parts[0] + joined
        if "enum" in schema:
            return [TypePart(", ".join(str(item) for item in schema["enum"]))]
        if schema.get("type") == "array":
            return [TypePart("list of "), *self.kind(schema.get("items", {}))]
        plain = str(schema.get("type", "anything"))
        return [TypePart(FORMAT_NAMES.get(schema.get("format", ""), plain))]

    # --- examples -----------------------------------------------------------------------------

    def example(self, schema: Schema) -> Any:
        """Return a value of a type, built from the examples of its parts."""
        if schema.get("examples"):
            return schema["examples"][0]
        if "$ref" in schema or "anyOf" in schema:
            return self.example(self._resolved(schema) if "$ref" in schema else schema["anyOf"][0])
        if schema.get("type") == "object":
            return {n: self.example(item) for n, item in schema.get("properties", {}).items()}
        if schema.get("type") == "array":
            return [self.example(schema.get("items", {}))]
        if "enum" in schema:
            return schema["enum"][0]
        return EXAMPLES.get(str(schema.get("format") or schema.get("type")))

    def _json(self, schema: Schema) -> str:
        return json.dumps(self.example(schema), indent=2, ensure_ascii=False)

    def _curl(self, path: str, method: str, operation: Schema) -> str:
        """Return the curl command of an operation."""
        parts = ["curl"]
        if {} not in operation["security"]:
            parts.append('-H "Authorization: Bearer $TOKEN"')
        if method != "get":
            parts.append(f"-X {method.upper()}")
        query = []
        for item in operation["parameters"]:
            value = self.example(item["schema"])
            if item["in"] == "path":
                path = path.replace(f"{{{item['name']}}}", quote(str(value)))
            elif item.get("required") or (item["name"] == "q" and value):
                values = value if isinstance(value, list) else [value]
                query += [(item["name"], str(v)) for v in values]
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                text = json.dumps(self.example(content["schema"]), ensure_ascii=False)
                parts.append(f"-H 'Content-Type: {kind}' -d '{text}'")
            else:
                parts += [f"-F {name}=@screenshot.png" for name in self._names(content["schema"])]
        address = f"{self.site}{path}" + (f"?{urlencode(query)}" if query else "")
        return " ".join([*parts, f'"{address}"'])

    def _names(self, schema: Schema) -> list[str]:
        return list(self._resolved(schema).get("properties", {}))


def _without_null(schema: Schema) -> Schema:
    """Return a parameter's type without null: it is omitted instead."""
    parts = [item for item in schema.get("anyOf", ()) if item.get("type") != "null"]
    return parts[0] if len(parts) == 1 else schema


def _paragraphs(text: str) -> list[list[tuple[str, bool]]]:
    """Split a text into paragraphs, and these into pieces with whether each is in backticks."""
    return [
        [(piece, bool(at % 2)) for at, piece in enumerate(part.split("`"))]
        for part in text.split("\n\n")
    ]
