"""Print the table of time zones from the tz database in the locked tzdata package, as of today.

The tz database is in the public domain; the table is zone.tab, iso3166.tab and the offsets.

.venv/bin/python -m backend.logic.database.tools.time_zones > backend/logic/database/time_zones.csv
"""

import csv
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

ZONEINFO = files("tzdata") / "zoneinfo"
COLUMNS = (
    "name",
    "country_code",
    "country",
    "latitude",
    "longitude",
    "utc_offset_minutes",
    "summer_offset_minutes",
    "comment",
    "as_of",
)


def lines(name: str) -> Iterator[list[str]]:
    """Yield the fields of each line of a .tab file."""
    for line in (ZONEINFO / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield line.split("\t")


def degrees(text: str) -> float:
    """Return ±DDMM, ±DDDMM, ±DDMMSS or ±DDDMMSS (ISO 6709) in degrees.

    >>> degrees("-0510"), degrees("+1060730")
    (-5.1667, 106.125)
    """
    sign, digits = text[0], text[1:]
    size = 2 if len(digits) in (4, 6) else 3
    whole, minutes, seconds = digits[:size], digits[size : size + 2], digits[size + 2 :]
    return round(float(f"{sign}1") * (int(whole) + int(minutes) / 60 + int(seconds or 0) / 3600), 4)


def offsets(name: str, as_of: date) -> tuple[int, int]:
    """Return the lowest and the highest offset from UTC in the year that begins on a day, in minutes."""
    with (ZONEINFO / name).open("rb") as file:
        zone = ZoneInfo.from_file(file)
    start = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    days = (start + timedelta(days=n) for n in range(365))
    found = {day.astimezone(zone).replace(tzinfo=UTC) - day for day in days}
    return min(found) // timedelta(minutes=1), max(found) // timedelta(minutes=1)


def rows(as_of: date) -> Iterator[list[str]]:
    """Yield the table's header and its rows, sorted by name."""
    countries = dict(lines("iso3166.tab"))
    yield list(COLUMNS)
    for code, place, name, *comment in sorted(lines("zone.tab"), key=lambda fields: fields[2]):
        latitude, longitude = map(degrees, re.findall(r"[+-]\d+", place))
        low, high = offsets(name, as_of)
        summer = high if high != low else ""
        values = [name, code, countries[code], latitude, longitude, low, summer, *(comment or [""]), as_of]
        yield list(map(str, values))


if __name__ == "__main__":
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows(datetime.now(UTC).date()))
