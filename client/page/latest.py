"""The latest answers through this process: how long each took, with which status, and which Pod gave it."""

import math
from collections import Counter, deque
from dataclasses import dataclass
from statistics import median
from time import monotonic

# How many are kept.
NUMBER = 60
# Of the chart: how far bars are apart, and how high it is (units of its own).
STEP, HEIGHT = 10, 120
MAX_PODS = 8
NO_POD = "none: not reached, or not asked"


@dataclass(frozen=True)
class Bar:
    """A bar of the chart: where it stands, what it says, and whether it stands for an error."""

    x: int
    y: float
    words: str
    is_error: bool


@dataclass(frozen=True)
class Chart:
    """A bar chart, whose scale is logarithmic: a slow answer does not make all others invisible.

    Attributes:
        bars: the latest one is on the right.
        scale: what the horizontal lines stand for, from above.
        lines: where they are.
        summary: what it shows, in words.
        since: how long ago the first one was.
    """

    bars: list[Bar]
    scale: list[str]
    lines: list[float]
    summary: str
    since: str


class Latest:
    """The latest answers.

    Attributes:
        answers: when each began, how many seconds after its request, its status line, and X-Served-By or "".
    """

    def __init__(self) -> None:
        self.answers: deque[tuple[float, float, str, str]] = deque(maxlen=NUMBER)

    def pods(self) -> list[tuple[str, int]]:
        """Return how many answers each backend Pod gave, and all but the first few together."""
        counted = Counter(pod.partition(" ")[0] or NO_POD for *_, pod in self.answers).most_common()
        others = sum(count for _, count in counted[MAX_PODS:])
        return counted[:MAX_PODS] + ([("others", others)] if others else [])

    def chart(self) -> Chart:
        """Return the chart; there must be an answer."""
        answers = list(self.answers)
        milliseconds = [1000 * seconds for _, seconds, *_ in answers]
        low = math.floor(math.log10(max(0.1, min(milliseconds))))
        high = max(low + 1, math.ceil(math.log10(max(0.1, *milliseconds))))
        decades = high - low

        def y(value: float) -> float:
            height = (math.log10(max(0.1, value)) - low) / decades
            return round(HEIGHT * (1 - max(0.02, height)), 1)

        first = NUMBER - len(answers)
        bars = [
            Bar(
                STEP * (first + place) + STEP // 2,
                y(value),
                f"{in_words(value)}, {status[:3]}{', ' if pod else ''}{pod.partition(' ')[0]}",
                status >= "4",
            )
            for place, ((_, _, status, pod), value) in enumerate(zip(answers, milliseconds, strict=True))
        ]
        errors = sum(bar.is_error for bar in bars)
        return Chart(
            bars,
            [in_words(10.0**power) for power in range(high, low - 1, -1)],
            [round(HEIGHT * line / decades, 1) for line in range(decades + 1)],
            f"{len(bars)} answer{'s' if len(bars) > 1 else ''}, "
            f"{errors or 'no'} error{'' if errors == 1 else 's'}; "
            f"median {in_words(median(milliseconds))}, slowest {in_words(max(milliseconds))}",
            f"{monotonic() - answers[0][0]:.0f} s ago",
        )


def in_words(milliseconds: float) -> str:
    """Return a duration with its unit, such as `4.1 ms` or `30 s`.

    >>> in_words(0.1), in_words(4.12), in_words(41.2), in_words(30_001), in_words(1500)
    ('0.1 ms', '4.1 ms', '41 ms', '30 s', '1.5 s')
    """
    value, unit = (milliseconds / 1000, "s") if milliseconds >= 999.5 else (milliseconds, "ms")
    return f"{value:.1f}".removesuffix(".0") + f" {unit}" if value < 9.95 else f"{value:.0f} {unit}"
