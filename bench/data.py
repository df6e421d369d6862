"""`make bench-data`: the logic `database` beside datasette, a million rows, a process and a caller each.

Writes data.md to bench/results/.
"""

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote

import duckdb

from bench.machine import hardware
from bench.services import ROOT, Running, Runtime, free_port, install, running, wait_for

ROWS = 1_000_000
TABLE = f"""
    SELECT
        i AS id,
        'customer ' || (i * 7919 % 1000003) AS name,
        ['DE', 'FR', 'IT', 'PL', 'SE'][1 + i * 31 % 5] AS country,
        hash(i) % 1000000 / 100.0 AS price
    FROM range({ROWS}) t(i)
"""  # noqa: S608  a number of ours
COUNT = "select count(*) from orders where price > 5000"
MEAN = "select country, avg(price) from orders group by country order by country"
# How the logic's README says to write a file that is served: rows are found by the key without reading a
# row group, and numbers are decoded faster.
RECOMMENDED = "(PARQUET_VERSION v2, COMPRESSION lz4, WRITE_PAGE_INDEX true, DATA_PAGE_SIZE_LIMIT 65536)"
# What is asked: of this backend with a file, of datasette.
QUERIES = {
    "key": ("/orders/500000", "/data/orders/500000.json"),
    "range": ("/orders?price__gt=9000&sort=price", "/data/orders.json?price__gt=9000&_sort=price&_size=20"),
    "count": ("/orders?price__gt=5000&compute=count", f"/data.json?sql={quote(COUNT)}"),
    "mean": ("/orders?compute=mean:price&group_by=country", f"/data.json?sql={quote(MEAN)}"),
    "contains": ("/orders?name__contains=99999", "/data/orders.json?name__contains=99999&_size=20"),
}
ASKED = {
    **{name: ("recommended/orders.parquet", *targets) for name, targets in QUERIES.items()},
    **{f"{name}, default": ("default/orders.parquet", *targets) for name, targets in QUERIES.items()},
    "key, from SQLite": ("data.db", *QUERIES["key"]),
}
DATASETTE = "-m datasette serve data.db --port {port} --setting sql_time_limit_ms 60000"


def write_rows(folder: Path) -> None:
    """Write the same rows as Parquet, as recommended and by default, and into SQLite, with the same key."""
    with duckdb.connect() as database, closing(sqlite3.connect(folder / "data.db")) as file:
        for name, options in {"recommended": RECOMMENDED, "default": ""}.items():
            (folder / name).mkdir()
            database.execute(f"COPY ({TABLE}) TO '{folder}/{name}/orders.parquet' {options}")
        file.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, country TEXT, price REAL)")
        rows = database.execute(TABLE)
        while several := rows.fetchmany(50_000):
            file.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", several)
        file.commit()


def milliseconds(connection: HTTPConnection, target: str) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    connection.request("GET", target)
    response = connection.getresponse()
    body = response.read()
    taken = 1000 * (time.perf_counter() - start)
    if response.status != 200 or not json.loads(body):
        raise SystemExit(f"{target} answered {response.status}: {body[:500]!r}")
    return taken


def table(calls: dict[str, tuple[list[float], list[float]]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| ms | best | median | p99 | datasette: best | median | p99 | best ÷ best |",
        "|---|" + 7 * "---:|",
    ]
    for name, both in calls.items():
        figures = [
            f"{value:.1f}"
            for taken in both
            for value in (min(taken), median(taken), sorted(taken)[int(0.99 * (len(taken) - 1))])
        ]
        lines.append(f"| {name} | {' | '.join(figures)} | {min(both[1]) / min(both[0]):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure both in turn and print what is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100, help="calls of each kind")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_rows(folder)
        runtime = Runtime(docker=False, folder=folder)
        datasette = install(runtime, ROOT / "bench/requirements/datasette.txt")

        def start(name: str, command: str, where: Path, ready: str, **variables: str) -> HTTPConnection:
            port = free_port()
            words = command.format(port=port).split()
            variables |= {"PORT": str(port)}
            service: Running = stack.enter_context(running(runtime, name, words, where, variables))
            wait_for(f"http://127.0.0.1:{port}{ready}", service)
            return stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=120)))

        settings = {"LOGIC": "database", "HOST": "127.0.0.1", "ACCESS_LOG": "false", "METRICS_PORT": "0"}
        command = f"{sys.executable} -m backend"
        ours = {
            file: start(file.replace("/", "-"), command, ROOT, "/readyz", DATA=str(folder / file), **settings)
            for file in dict.fromkeys(file for file, _, _ in ASKED.values())
        }
        others = start("datasette", f"{datasette} {DATASETTE}", folder, "/-/versions.json")
        taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ASKED}
        for _ in range(arguments.calls):
            for name, (file, *targets) in ASKED.items():
                for connection, target, found in zip((ours[file], others), targets, taken[name], strict=True):
                    found.append(milliseconds(connection, target))
    measured = f"{ROWS:,} rows, {arguments.calls} calls of each; load average {os.getloadavg()[0]:.1f}"
    text = f"{measured}; {', '.join(hardware().values())}\n\n{table(taken)}\n"
    (ROOT / "bench/results/data.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
