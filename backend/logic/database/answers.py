"""The fields of answers: the rows of a page, and where the next one begins."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from backend.logic.database import pages
from backend.logic.database.pages import Place
from backend.logic.database.query import Query, parse
from backend.logic.database.statements import Shape, full_order, select_page, select_total, shape_of
from backend.logic.database.tables import Table

# Runs a statement with its parameters and returns the rows.
Execute = Callable[[Select[Any], dict[str, Any]], Sequence[Sequence[Any]]]


class Page(NamedTuple):
    """A page of rows, or of computed numbers, that a query asks for."""

    table: Table
    query: Query
    shape: Shape
    parameters: dict[str, Any]
    order: tuple[str, ...]
    place: Place


def requested_page(table: Table, args: MultiDict[str, str]) -> Page:
    """Return the page that a query string asks for; BadRequest if it is not allowed."""
    query = parse(table, args)
    shape, parameters = shape_of(query)
    order = full_order(table, shape)
    place = Place(query.offset)
    if query.next is not None:
        place = pages.decode(query.next, table.name, order)
    if place.last is not None:
        ended_with_null = tuple(value is None for value in place.last)
        inclusive = not (query.computed or table.key)
        shape = shape._replace(after=ended_with_null, inclusive=inclusive)
        parameters |= {f"after_{n}": value for n, value in enumerate(place.last) if value is not None}
    return Page(table, query, shape, parameters, order, place)


def page_answer(page: Page, execute: Execute) -> dict[str, Any]:
    """Return the fields of the answer with a page."""
    table, query, place = page.table, page.query, page.place
    offset = place.before if place.last is None else place.alike
    limits = {"limit": query.limit + 1, "offset": offset}  # one more tells whether there are more
    found = execute(select_page(table, page.shape), page.parameters | limits)
    more, found = len(found) > query.limit, found[: query.limit]
    total = None
    if query.computed and not query.grouped:
        total = 1
    elif not more and (found or not place.before):
        total = place.before + len(found)
    elif query.total:
        conditions = page.shape._replace(after=None, inclusive=False)
        ((total,),) = execute(select_total(table, conditions), page.parameters)
    shown = [row_fields(query, row) for row in found]
    result = f"{len(shown)} and more" if total is None else f"{len(shown)} of {total}"
    if len(query.computed) == 1 and not query.grouped and shown:
        result = shown[0][query.computed[0].name]
    fields: dict[str, Any] = {"message": f"{query.words}: {result}", "rows": shown}
    if total is not None:
        fields["total"] = total
    if more:
        fields["next"] = next_page(page, [list(row[len(query.fields) :]) for row in found])
    return fields


def row_fields(query: Query, row: Sequence[Any]) -> dict[str, Any]:
    """Return a row as the answer shows it; a single number also under its function's name."""
    shown = {
        name: field.kind.show(value) for (name, field), value in zip(query.fields.items(), row, strict=False)
    }
    if len(query.computed) == 1:
        (only,) = query.computed
        shown[only.function] = shown[only.name]
    return shown


def next_page(page: Page, sorted_by: list[list[Any]]) -> str:
    """Return where the page after this one begins, given what its rows are sorted by."""
    alike = 0
    last: list[Any] | None = sorted_by[-1]
    if not (page.query.computed or page.table.key):  # several rows may sort alike
        alike = next((n for n, each in enumerate(reversed(sorted_by)) if each != last), len(sorted_by))
        if alike == len(sorted_by) and last == page.place.last:
            alike += page.place.alike
        elif alike == len(sorted_by) and page.place.last is None and page.place.before:
            last = None  # rows before the page may sort alike, too, and nobody counted them
    before = page.place.before + len(sorted_by)
    return pages.encode(Place(before, last, alike), page.table.name, page.order)
