"""What is shown: of an answer, of the latest answers, of an error, and as a command."""

import json
import subprocess
from typing import Any

import pytest

from client.page.content import MAX_JSON, content_of
from client.page.latest import NUMBER, Latest
from client.page.problem import problem_of
from client.page.render import curl
from common.contract import CALL, REFUSED
from tests.page.parsed import Parsed
from tests.page.rendering import TRACE, html


def content(**fields: Any) -> Any:
    return content_of(json.dumps({"status_code": 200, "source": "client"} | fields).encode(), 200)


def test_a_message_fields_and_lists_of_objects_are_shown_in_their_order() -> None:
    rows = [{"id": 1, "name": "a"}, {"id": 2, "price": "9.50", "tags": [1, "x"]}]
    shown = content(message="two rows", rows=rows, total=2, next=None, empty=[])

    assert shown.message == "two rows"
    assert shown.fields == [("total", "2"), ("next", "null"), ("empty", "[]")]
    [table] = shown.tables
    assert (table.name, table.columns, table.more) == ("rows", ["id", "name", "price", "tags"], "")
    assert table.rows == [["1", "a", "", ""], ["2", "", "9.50", '[1, "x"]']]


@pytest.mark.parametrize(
    "answer",
    [
        {"message": "x" * 1_000_000},
        {"x" * 100_000: "y" * 100_000, "a": ["z" * 100_000]},
        {f"field {i}": i for i in range(10_000)},
        {"rows": [{f"column {i}": "x" * 1000 for i in range(100)}] * 1000},
        {f"rows {i}": [{"a": "<" * 1000}] * 1000 for i in range(100)},
        {"deep": json.loads("[" * 500 + "[]," * 1000 + "1" + "]" * 500)},
        {"message": "&" * 1_000_000, "text": '"' * 1_000_000},
    ],
    ids=lambda answer: next(iter(answer))[:10],
)
def test_a_page_is_small_however_large_an_answer_is(answer: Any) -> None:
    page = html(answer)

    assert len(page) < 400_000
    assert Parsed(page).strange == []


def test_what_is_cut_off_is_said() -> None:
    shown = content(rows=[dict.fromkeys(map(str, range(12)), 1)] * 60, message="x" * 30_000)

    assert shown.tables[0].more == "50 of 60 rows, 10 of 12 columns"
    assert shown.message.endswith("x…")
    assert (len(shown.json), shown.is_cut) == (MAX_JSON, True)


def test_json_that_cannot_be_shown_indented_is_shown_as_it_is() -> None:
    shown = content_of(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 200)

    assert (shown.message, shown.fields, shown.json[:7]) == ("", [], '{"a":[[')


def latest(*answers: tuple[float, str, str]) -> Latest:
    it = Latest()
    it.answers.extend((float(number), *answer) for number, answer in enumerate(answers))
    return it


def test_the_latest_sixty_answers_are_bars_of_their_latency() -> None:
    ok, missing = (0.01, "200 OK", "backend-1 node-1"), (0.01, "404 Not Found", "backend-1 node-1")
    chart = latest(*[ok] * 70, missing, (0.1, "502 Bad Gateway", "")).chart()

    assert len(chart.bars) == NUMBER
    assert [bar.is_error for bar in chart.bars[-3:]] == [False, True, True]
    assert [bar.words for bar in chart.bars[-2:]] == ["10 ms, 404, backend-1", "100 ms, 502"]
    assert chart.bars[-1].y < chart.bars[-2].y, "a slower answer must have a higher bar"
    assert chart.scale == ["100 ms", "10 ms"]
    assert chart.summary == "60 answers, 2 errors; median 10 ms, slowest 100 ms"


def test_each_backend_pod_is_counted_and_the_list_is_short() -> None:
    answers = [(0.01, "200 OK", f"backend-{number % 20} node") for number in range(40)]
    pods = latest(*answers, (0.01, "503 Busy", "")).pods()

    assert len(pods) == 9
    assert pods[0] == ("backend-0", 2)
    assert sum(count for _, count in pods) == 41


@pytest.mark.parametrize("seconds", [0.0, 0.00001, 0.000999, 0.001, 0.05, 1, 30, 120, 3600])
def test_any_latency_fits_the_chart(seconds: float) -> None:
    for answers in ([seconds], [seconds, 0.004], [seconds, 31.0]):
        chart = latest(*((each, "200 OK", "") for each in answers)).chart()
        assert all(0 <= bar.y < 120 for bar in chart.bars)
        assert len(chart.scale) == len(chart.lines) >= 2


@pytest.mark.parametrize(
    ("status", "environ", "retry_after", "fault", "happened"),
    [
        (400, {}, "", "your query", "The query is not understood."),
        (404, {}, "", "your query", "There is nothing at this path."),
        (414, {}, "", "your query", "The query is too long."),
        (418, {}, "", "your query", "The query is not understood."),
        (429, {CALL: ("ok", 0.1, 1)}, "7", "too much load", "The backend has more to do than it can."),
        (500, {}, "", "this client", "Something went wrong in this client."),
        (500, {CALL: ("error", 0.1, 1)}, "", "the backend", "Something went wrong in the backend."),
        (502, {CALL: ("unreachable", 3, 9)}, "", "the backend", "The backend cannot be reached."),
        (502, {CALL: ("broken_off", 1, 3)}, "", "the backend", "The backend broke off its answer."),
        (502, {CALL: ("bad_answer", 1, 1)}, "", "the backend", "The backend's answer cannot be used."),
        (
            502,
            {CALL: ("error", 1, 1)},
            "",
            "the backend",
            "Something that the backend needs is away or broken.",
        ),
        (
            503,
            {CALL: ("error", 1, 1)},
            "",
            "the backend",
            "The backend, or something that it needs, is not ready.",
        ),
        (503, {CALL: ("error", 1, 1)}, "5", "too much load", "The backend has more to do than it can."),
        (503, {REFUSED: "in_flight"}, "1", "too much load", "This client has more to do than it can."),
        (504, {CALL: ("too_slow", 30, 1)}, "", "the backend", "The backend takes too long."),
        (504, {CALL: ("error", 9, 1)}, "", "the backend", "Something that the backend needs takes too long."),
    ],
)
def test_an_error_says_what_happened_and_who_is_at_fault(
    status: int, environ: dict[str, Any], retry_after: str, fault: str, happened: str
) -> None:
    problem = problem_of(environ, status, retry_after)

    assert (problem.fault, problem.happened) == (fault, happened)
    assert "sk again" in problem.advice or "report it" in problem.advice or "hoose" in problem.advice
    assert retry_after in ("", "1") or f"in {retry_after} s" in problem.advice


def test_an_error_is_shown_with_its_words_and_the_trace_id() -> None:
    texts = Parsed(html({"exc": "limit=x; allowed: a number"}, 400)).texts

    assert texts["h1"] == ["400 Bad Request"]
    assert "limit=x; allowed: a number" in texts["p"]
    assert TRACE in texts["code"]


def test_who_answered_is_shown() -> None:
    texts = Parsed(html({"message": "hello"}, pod="backend-7 node-3")).texts

    assert {"client-1 ", "backend-7 "} <= set(texts["dd"])
    assert {"on node-1", "on node-3"} <= set(texts["small"])


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/", ""),
        ("/orders", "a=1&b=2"),
        ("/", "q=it's $(evil) `evil` ; evil > x | y \\ \" ! #"),
        ("/a[1-3]", "x={a,b}&y=[1-3]"),
        ("/'", "'\"'"),
    ],
)
def test_the_command_asks_for_the_same_url_in_any_shell(path: str, query: str) -> None:
    target = f"{path}?{query}" if query else path
    environ = {
        "HTTP_HOST": "localhost:8082",
        "wsgi.url_scheme": "http",
        "RAW_URI": target,
        "QUERY_STRING": query,
    }
    command = curl(environ)

    shown = subprocess.run(
        ["/bin/sh", "-c", command.replace("curl", "printf '%s\\n'", 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    *options, url = shown.stdout.splitlines()
    assert url == f"http://localhost:8082{target}"
    assert options == (["--globoff"] if set("[]{}") & set(target) else [])
