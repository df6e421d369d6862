"""The kinds of columns: which texts stand for their values, and how their values are shown in JSON."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID


class Kind(NamedTuple):
    """What the values of a column are.

    Attributes:
        name: the kind in words.
        allowed: the texts that stand for its values, in words.
        parse: returns the value that a text stands for, or raises a ValueError.
        show: returns a value from the database in JSON's types.
    """

    name: str
    allowed: str
    parse: Callable[[str], Any]
    show: Callable[[Any], Any] = lambda value: value


def matching(pattern: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser of texts that match the pattern as a whole."""
    compiled = re.compile(pattern)

    def parse(text: str) -> Any:  # noqa: ANN401  any kind's value
        if not compiled.fullmatch(text):
            raise ValueError
        return convert(text)

    return parse


def parse_boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def moment(text: str) -> str:
    """Return a timestamp as databases read it."""
    return datetime.fromisoformat(text).isoformat(" ")


def moment_in_utc(text: str) -> str:
    """Return a timestamp in UTC as databases read it; one without an offset is in UTC."""
    parsed = datetime.fromisoformat(text)
    try:
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC).isoformat(" ")
    except OverflowError:
        raise ValueError from None


def show_binary(value: Any) -> Any:  # noqa: ANN401  a database's
    """Return a value, in hexadecimal if it is bytes, which SQLite has in columns of any type."""
    return value.hex() if isinstance(value, bytes) else value


def show_real(value: Any) -> Any:  # noqa: ANN401  a database's
    """Return a number, or the name of one that JSON does not have."""
    if not isinstance(value, float) or math.isfinite(value):
        return show_binary(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def show_moment(value: str | None) -> str | None:
    """Return a database's timestamp in ISO 8601."""
    return value and re.sub(r"\+00(:00)?$", "Z", value.replace(" ", "T", 1))


DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = rf"{DAY}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?)?"
NUMBER = r"-?[0-9]{1,15}(\.[0-9]{1,15})?"  # PostgreSQL and files have such numbers exactly

BOOLEAN = Kind(
    "boolean", "true or false", parse_boolean, lambda value: value if value is None else bool(value)
)
INTEGER = Kind("integer", "a whole number", matching(r"-?[0-9]{1,18}", int), show_binary)
REAL = Kind("real", "a number such as -12.5", matching(NUMBER, float), show_real)
DECIMAL = Kind("decimal", "a number such as -12.5", matching(NUMBER, str))
TEXT = Kind("text", "text", matching(r"[^\0]*", str), show_binary)
DATE = Kind(
    "date", "a date such as 2026-12-31", matching(DAY, lambda text: date.fromisoformat(text).isoformat())
)
TIMESTAMP = Kind("timestamp", "a time such as 2026-12-31T23:59:59", matching(TIME, moment), show_moment)
TIMESTAMP_UTC = Kind(
    "timestamp with time zone",
    "a time such as 2026-12-31T23:59:59Z, or with %2B01:00",
    matching(rf"{TIME}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?", moment_in_utc),
    show_moment,
)
UUID_TEXT = Kind(
    "uuid",
    "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
    matching("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", lambda text: str(UUID(text))),
)
# Any other type, as the text that the database makes of it.
OTHER = Kind("other", "text", matching(r"[^\0]*", str), show_binary)

# The same texts as JSON Schemas. The exact ones of numbers, since JSON also writes them as 1e-7.
SCHEMAS: dict[Kind, dict[str, Any]] = {
    BOOLEAN: {"type": "boolean"},
    INTEGER: {"type": "integer", "minimum": -(10**18) + 1, "maximum": 10**18 - 1},
    REAL: {"type": "string", "pattern": f"^{NUMBER}$"},
    DECIMAL: {"type": "string", "pattern": f"^{NUMBER}$"},
    TEXT: {"type": "string", "pattern": r"^[^\u0000]*$"},
    DATE: {"type": "string", "format": "date"},
    TIMESTAMP: {"type": "string", "format": "date-time-local"},
    TIMESTAMP_UTC: {"type": "string", "format": "date-time"},
    UUID_TEXT: {"type": "string", "format": "uuid"},
    OTHER: {"type": "string", "pattern": r"^[^\u0000]*$"},
}

NUMBERS = (INTEGER, REAL, DECIMAL)
TEXTS = (TEXT, OTHER)

TYPES = {
    BOOLEAN: "BOOLEAN BOOL",
    INTEGER: "TINYINT SMALLINT INTEGER INT BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT",
    REAL: "REAL FLOAT DOUBLE DOUBLE_PRECISION",
    DECIMAL: "NUMERIC DECIMAL",
    TEXT: "VARCHAR TEXT",
    DATE: "DATE",
    TIMESTAMP: "TIMESTAMP TIMESTAMP_WITHOUT_TIME_ZONE TIMESTAMP_S TIMESTAMP_MS",
    TIMESTAMP_UTC: "TIMESTAMP_WITH_TIME_ZONE",
    UUID_TEXT: "UUID",
}
KINDS = {name: kind for kind, names in TYPES.items() for name in names.split()}


# SQLite has no other types: what it calls a DATE is a text or a number, a DECIMAL is a real number.
SQLITE = {"DECIMAL": REAL, "NUMERIC": REAL, "DATE": TEXT, "TIMESTAMP": TEXT, "DATETIME": TEXT, "UUID": TEXT}


def kind_of(type_name: str, dialect: str = "") -> Kind:
    """Return the kind of a column from the SQL name of its type, such as `NUMERIC(10, 2)`.

    >>> kind_of("timestamp with time zone").name, kind_of("INTEGER[]").name
    ('timestamp with time zone', 'other')
    """
    name = re.sub(r"\([\d, ]*\)| COLLATE .*", "", type_name).strip().upper().replace(" ", "_")
    sqlite = SQLITE.get(name) if dialect == "sqlite" else None
    return sqlite or KINDS.get(name, OTHER)
