"""The tables of a source, looked up once, and answers from them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol
from urllib.parse import unquote

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, NotFound

from backend.logic.database.answers import Execute, page_answer, requested_page
from backend.logic.database.filters import MAX_NAMES, value
from backend.logic.database.statements import select_row
from backend.logic.database.tables import Table
from common.spans import waiting
from common.text import shortened


class Source(Protocol):
    """Where tables are: a PostgreSQL or a file.

    Attributes:
        system: its name in traces.
    """

    system: str

    def read_tables(self) -> dict[str, Table]:
        """Return the tables, by their names in the path; ServiceUnavailable while they are out of reach."""

    def reading(self) -> AbstractContextManager[Execute]:
        """Return a context in which statements run; ServiceUnavailable where they cannot."""

    def version(self) -> str:
        """Return what is another after a change of the data, or nothing if it may change at any time."""

    def close(self) -> None:
        """Leave the source; it is not used again."""


class Database:
    """The tables of a source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: dict[str, Table] = {}
        self.listed: dict[str, Any] = {}

    def tables(self) -> dict[str, Table]:
        """Return the tables, which are looked up once: a change of them needs a restart."""
        if not self.found:
            self.found = self.source.read_tables()
        return self.found

    def table(self, name: str) -> Table:
        """Return a table; NotFound if there is none of that name."""
        if name not in self.tables():
            raise NotFound(f"no table {shortened(name)!r}; allowed: {self.names()}")
        return self.found[name]

    def names(self) -> str:
        """Return the names of the tables in words."""
        return shortened(", ".join(self.tables()), MAX_NAMES)

    @contextmanager
    def reading(self, table: str) -> Iterator[Execute]:
        """Yield a function that reads a table, which a trace shows."""
        operation = {"db.operation.name": "SELECT", "db.collection.name": table}
        with (
            waiting(f"SELECT {table}", {"db.system.name": self.source.system} | operation),
            self.source.reading() as execute,
        ):
            yield execute

    def list_tables(self, args: MultiDict[str, str]) -> dict[str, Any]:
        """Return the fields of the answer with all tables, made once.

        Raises:
            BadRequest: there is a query, which needs a table.
        """
        if args:
            raise BadRequest(
                f"a query needs a table: /<table>?{shortened(next(iter(args)))}; tables: {self.names()}"
            )
        self.listed = self.listed or {
            "message": f"tables: {self.names()}",
            "tables": [
                {
                    "name": each.name,
                    "columns": {name: field.kind.name for name, field in each.fields.items()},
                    "key": list(each.key),
                }
                for each in self.tables().values()
            ],
        }
        return self.listed

    def page(self, name: str, args: MultiDict[str, str]) -> dict[str, Any]:
        """Return the fields of the answer to a query.

        Raises:
            BadRequest: the query is not allowed; says what is.
            NotFound: there is no such table.
            ServiceUnavailable: the database is unavailable, slow or busy.
        """
        page = requested_page(self.table(name), args)
        with self.reading(name) as execute:
            return page_answer(page, execute)

    def row(self, name: str, key: str, args: MultiDict[str, str]) -> dict[str, Any]:
        """Return the fields of the answer with one row.

        Args:
            name: the table's.
            key: its values, percent-encoded, with commas between them.
            args: the query, which must be empty.

        Raises:
            BadRequest, NotFound, ServiceUnavailable: see `page`.
        """
        table = self.table(name)
        if not table.key:
            raise NotFound(f"{name} has no key, so its rows have no paths; allowed: /{name}?column=value")
        if args:
            raise BadRequest(f"a row has no query; allowed: /{name}/{key_words(table)} alone")
        if key.count(",") + 1 != len(table.key):
            raise BadRequest(f"{key.count(',') + 1} values; allowed: /{name}/{key_words(table)}")
        fields = [table.fields[column] for column in table.key]
        values = [
            value(field, field.name, unquote(part))
            for field, part in zip(fields, key.split(","), strict=True)
        ]
        parameters = {f"key_{n}": each for n, each in enumerate(values)}
        with self.reading(name) as execute:
            found = execute(select_row(table), parameters)
        words = " and ".join(f"{field.name} is {each}" for field, each in zip(fields, values, strict=True))
        if not found:
            raise NotFound(f"no row of {name} where {shortened(words)}")
        row = {
            field.name: field.kind.show(each)
            for field, each in zip(table.fields.values(), found[0], strict=True)
        }
        return {"message": f"{name} where {shortened(words)}", "row": row}


def key_words(table: Table) -> str:
    """Return the path of a row in words."""
    return ",".join(f"<{column}>" for column in table.key)
