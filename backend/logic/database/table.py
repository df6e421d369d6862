"""The table that ships with the backend: the world's time zones; time_zones.tsv names its source."""

import csv
from importlib.resources import files
from typing import Any

from sqlalchemy import BigInteger, Column, Double, MetaData, Table, Text

# Decimal places of the table's real numbers and of computed ones.
DECIMALS = 4

# Texts sort by code point on both databases: SQLite has no other order.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")

TABLE = Table(
    "time_zones",
    MetaData(),
    Column("name", TEXT, primary_key=True),
    Column("country_code", TEXT, nullable=False),
    Column("country", TEXT, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("longitude", Double, nullable=False),
    Column("utc_offset_minutes", BigInteger, nullable=False),
    Column("summer_offset_minutes", BigInteger),  # NULL where clocks do not change
    Column("comment", TEXT),
)
PLURAL = "time zones"


def rows() -> list[dict[str, Any]]:
    """Return the table's rows; an empty field is NULL."""
    text = files("backend.logic.database").joinpath("time_zones.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [
        {name: TABLE.c[name].type.python_type(value) if value else None for name, value in row.items()}
        for row in csv.DictReader(lines, delimiter="\t")
    ]
