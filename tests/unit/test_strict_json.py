"""JSON that others can handle, and what it costs to look."""

from collections.abc import Callable
from time import thread_time

import pytest

from common import strict_json
from common.strict_json import MAX_NESTING, TooDeep


@pytest.mark.parametrize(
    ("start", "end"), [(b"[", b"]"), (b'{"a":', b"}"), (b'["\\"[{",', b"]"), (b'[{"]":', b"}]")]
)
def test_json_that_is_nested_too_deeply_is_told(start: bytes, end: bytes) -> None:
    most = MAX_NESTING // len(end)

    strict_json.loads_shallow(start * most + b"1" + end * most)
    with pytest.raises(TooDeep):
        strict_json.loads_shallow(start * (most + 1) + b"1" + end * (most + 1))


def test_brackets_in_texts_do_not_nest() -> None:
    assert strict_json.loads_shallow(b'"' + b"[" * 200 + b'"') == "[" * 200
    assert strict_json.loads_shallow(b'["\\\\","' + b"{" * 200 + b'"]') == ["\\", "{" * 200]


def test_to_look_how_deeply_json_is_nested_costs_less_than_to_parse_it() -> None:
    def cost(function: Callable[[bytes], object]) -> float:
        """Return the CPU seconds of the quickest of some calls."""
        seconds = []
        for _ in range(5):
            began = thread_time()
            function(data)
            seconds.append(thread_time() - began)
        return min(seconds)

    nested = b"[" * (MAX_NESTING - 1) + b"]" * (MAX_NESTING - 1)
    data = b"[" + b",".join([nested] * 1000) + b"]"

    assert cost(strict_json.is_deep) < cost(strict_json.loads)
