"""Pagination with `page` and `page_size`, and the URLs of the neighbouring pages."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import AnyUrl

MAX_PAGE_SIZE = 100  # on one page
DEFAULT_PAGE_SIZE = 24

T = TypeVar("T")


class Paging(Schema):
    """Which page of a list."""

    page: int = Field(1, ge=1, le=10_000, description="Page number, from 1.")
    page_size: int = Field(DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Items per page.")


class Page(Schema, Generic[T]):
    """One page of a list."""

    results: list[T]
    count: int = Field(description="Number of items on all pages.", examples=[1])
    page: int = Field(description="Page number, from 1.", examples=[1])
    page_size: int = Field(examples=[DEFAULT_PAGE_SIZE])
    next: AnyUrl | None = Field(description="Address of the next page.", examples=[None])
    previous: AnyUrl | None = Field(description="Address of the previous page.", examples=[None])


def paginate(
    request: HttpRequest,
    rows: "QuerySet[Any] | Sequence[Any]",
    paging: Paging,
    serialize: Callable[[Any], object],
) -> dict[str, Any]:
    """Return a page of serialized rows."""
    first = (paging.page - 1) * paging.page_size
    count = rows.count() if isinstance(rows, QuerySet) else len(rows)
    return {
        "results": [serialize(row) for row in rows[first : first + paging.page_size]],
        "count": count,
        **neighbour_urls(request, paging.page, paging.page_size, first + paging.page_size < count),
    }


def neighbour_urls(request: HttpRequest, page: int, page_size: int, more: bool) -> dict[str, Any]:
    """Return the paging fields of a response, with the URLs of the neighbouring pages."""

    def url_of(number: int) -> str:
        query = request.GET.copy()
        query["page"] = str(number)
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

    return {
        "page": page,
        "page_size": page_size,
        "next": url_of(page + 1) if more else None,
        "previous": url_of(page - 1) if page > 1 else None,
    }
