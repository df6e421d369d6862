"""JSON as RFC 8259 has it: in UTF-8, and without NaN and Infinity, which Python's `json` also takes."""

import math
import re
from array import array
from itertools import accumulate
from json import JSONDecoder
from typing import Any, NoReturn

# Far less than Python's parsers and encoders can take, here and in the backend.
MAX_NESTING = 100
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
STEPS = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")  # 1 and -1 as signed bytes


class TooDeep(ValueError):
    """More than MAX_NESTING lists and objects are nested in each other."""


def loads(data: bytes) -> Any:  # noqa: ANN401  any JSON
    """Return the value that the data holds.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply for the parser.
    """
    # decode() here: json would also take UTF-16 and UTF-32, which RFC 8259 section 8.1 does not allow.
    return DECODER.decode(data.decode())


def loads_shallow(data: bytes) -> Any:  # noqa: ANN401  any JSON
    """Return the value that a caller's data holds.

    Raises:
        TooDeep: it is nested too deeply for others to handle.
        ValueError: it is not JSON.
    """
    try:
        value = loads(data)
    except RecursionError:
        raise TooDeep from None
    # Counting is nearly free, and nearly always enough.
    if data.count(b"[") + data.count(b"{") > MAX_NESTING and is_deep(data):
        raise TooDeep
    return value


def is_deep(data: bytes) -> bool:
    """Return whether more than MAX_NESTING lists and objects are nested in each other in this JSON.

    Much cheaper than to look at each of a million values.
    """
    steps = array("b", STRING.sub(b"", data).translate(STEPS, NO_BRACKETS))
    return max(accumulate(steps), default=0) > MAX_NESTING


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def finite(text: str) -> float:
    """Return the number, unless it overflows to infinity."""
    value = float(text)
    return value if math.isfinite(value) else refuse_constant(text)


# Made once: json.loads() would make one for each call.
DECODER = JSONDecoder(parse_constant=refuse_constant, parse_float=finite)
