"""Where the next page begins: the opaque `next` of an answer, sent back as `next=`.

It holds what the page's last row is sorted by, so that a page far away costs no more than the first
and no row is skipped or repeated because others came or went.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, NamedTuple

from werkzeug.exceptions import BadRequest

# A longer one would not fit into a query beside its conditions; the page is then found by its offset.
MAX_BYTES = 4000


class Place(NamedTuple):
    """A place between two rows.

    Attributes:
        before: how many rows come before it.
        last: what the row before is sorted by; None if only `before` tells the place.
        alike: how many of the rows before sort like that one, where more of them may follow.
    """

    before: int
    last: list[Any] | None = None
    alike: int = 0


def encode(place: Place, table: str, order: tuple[str, ...]) -> str:
    """Return a place as text."""

    def encoded(place: Place) -> str:
        text = json.dumps([fingerprint(table, order), *place], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    text = encoded(place)
    return text if len(text) <= MAX_BYTES else encoded(Place(place.before))


def decode(text: str, table: str, order: tuple[str, ...]) -> Place:
    """Return the place that an answer's `next` names.

    Raises:
        BadRequest: it is not such a `next`, or one of another query.
    """
    try:
        padded = text[:MAX_BYTES] + "=" * (-len(text) % 4)
        found, before, last, alike = json.loads(urlsafe_b64decode(padded))
        valid = all(type(number) is int and 0 <= number < 2**63 for number in (before, alike))
        if last is not None:
            valid &= len(last) == len(order)
            valid &= all(value is None or isinstance(value, str | int | float) for value in last)
            "".join(value for value in last if isinstance(value, str)).encode()  # no lone surrogates
    except (ValueError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise BadRequest("next is not understood; allowed: the next of the answer before")
    if found != fingerprint(table, order):
        raise BadRequest("next belongs to another table or order; allowed: the next of the answer before")
    return Place(before, last, alike)


def fingerprint(table: str, order: tuple[str, ...]) -> str:
    """Return a few characters that tell tables and orders apart."""
    return sha256(json.dumps([table, order]).encode()).hexdigest()[:8]
