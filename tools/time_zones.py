"""Print the table of time zones from the tz database in the locked tzdata package: `make zones`."""

import csv
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata

ZONEINFO = files("tzdata") / "zoneinfo"
YEAR = int(tzdata.IANA_VERSION[:4])
COLUMNS = (
    "name",
    "country_code",
    "country",
    "latitude",
    "longitude",
    "utc_offset_minutes",
    "summer_offset_minutes",
    "comment",
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


def offsets(name: str) -> tuple[int, int]:
    """Return the lowest and the highest offset from UTC in the year, in minutes."""
    with (ZONEINFO / name).open("rb") as file:
        zone = ZoneInfo.from_file(file)
    days = (datetime(YEAR, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(365))
    found = {day.astimezone(zone).replace(tzinfo=UTC) - day for day in days}
    return min(found) // timedelta(minutes=1), max(found) // timedelta(minutes=1)


def main() -> None:
    """Print the table, sorted by name."""
    countries = dict(lines("iso3166.tab"))
    print(  # noqa: T201
        f"# Version {tzdata.IANA_VERSION} of the tz database, which is in the public domain "
        f"(zone.tab, iso3166.tab and the offsets in {YEAR}); made by `make zones`"
    )
    table = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    table.writerow(COLUMNS)
    for code, place, name, *comment in sorted(lines("zone.tab"), key=lambda fields: fields[2]):
        latitude, longitude = map(degrees, re.findall(r"[+-]\d+", place))
        low, high = offsets(name)
        summer = high if high != low else ""
        table.writerow([name, code, countries[code], latitude, longitude, low, summer, *(comment or [""])])


if __name__ == "__main__":
    main()
