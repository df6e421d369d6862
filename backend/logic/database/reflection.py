"""The tables and views of a PostgreSQL, from its catalogue."""

import warnings
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.types import TypeEngine

from backend.logic.database.limits import MAX_TABLES, misconfigured
from backend.logic.database.tables import Described, DescribedTable, Table, make_table

READABLE = text(
    "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE nspname = :schema AND relkind IN ('r', 'p', 'v', 'm', 'f') "
    "AND has_schema_privilege(relnamespace, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT') "
    "ORDER BY relname"
)


def reflect(connection: Connection, served: str) -> dict[str, Table]:
    """Return the tables and views that DATABASE_TABLES names, by their names in the path.

    Raises:
        ServiceUnavailable: it names one that is not there or may not be read, or too many.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that SQLAlchemy does not know
        found = [table for each in served.split(",") for table in reflect_some(connection, *each.split("."))]
    if len(found) > MAX_TABLES:
        raise misconfigured(f"DATABASE_TABLES names {len(found)} tables; allowed: {MAX_TABLES}")
    return {table.name: table for table in found}


def reflect_some(connection: Connection, schema: str, name: str) -> list[Table]:
    """Return the table or view of that name, or all that may be read for `*`."""
    readable = list(connection.scalars(READABLE, {"schema": schema}))
    wanted = readable if name == "*" else [name]
    if not wanted or set(wanted) - set(readable):
        raise misconfigured(
            f"DATABASE_TABLES: no {schema}.{name} that this user may read; "
            f"there are {', '.join(readable[:MAX_TABLES]) or 'none'}"
        )
    inspector = inspect(connection)
    columns = inspector.get_multi_columns(schema, filter_names=wanted, kind=ObjectKind.ANY)
    keys = inspector.get_multi_pk_constraint(schema, filter_names=wanted, kind=ObjectKind.ANY)
    return [
        make_table(
            DescribedTable(
                schema,
                each,
                [
                    Described(column["name"], type_name(connection, column["type"]), column["nullable"])
                    for column in columns[schema, each]
                ],
                key["constrained_columns"] if (key := keys.get((schema, each))) else (),
            ),
            "postgresql",
            "public",
        )
        for each in wanted
    ]


def type_name(connection: Connection, kind: TypeEngine[Any]) -> str:
    """Return the type's name in SQL, or nothing for one that SQLAlchemy does not know."""
    return "" if kind.__visit_name__ == "null" else kind.compile(connection.dialect)
