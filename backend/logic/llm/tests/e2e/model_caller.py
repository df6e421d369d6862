"""A caller of a model's streams that never retries, run in a Pod of the cluster: every one must be whole.

Once STOP exists and enough streams were read, it prints a summary as a line of JSON. Standard library only:
it runs on the client's image.
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

STOP = Path("/tmp/stop")
ASKED = {"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 16}
HEADERS = {"Accept": "text/event-stream", "Content-Type": "application/json"}
# Longer than any stream may take (seconds).
HUNG_AFTER = 150


def wrong_with_a_stream(url: str) -> str:
    """Read a stream; return what is wrong with it, "" if nothing."""
    request = Request(url, json.dumps(ASKED).encode(), HEADERS)
    try:
        with urlopen(request, timeout=HUNG_AFTER) as answer:
            lines = answer.read().decode().splitlines()
    except HTTPError as error:
        return f"status {error.code}: {error.read(300).decode()}"
    except (OSError, ValueError) as error:
        return type(error).__name__
    if lines[-3:-2] != ["event: end"]:
        return "\n".join(lines[-3:]) or "no event"
    *pieces, whole = (json.loads(line.partition(":")[2]) for line in lines if line.startswith("data:"))
    text = "".join(piece["delta"] for piece in pieces)
    return "" if whole["message"] == text and whole["usage"] else "the pieces are not the whole"


def main(options: argparse.Namespace) -> None:
    failures: Counter[str] = Counter()
    read, deadline = 0, time.monotonic() + options.max_seconds

    def read_streams() -> None:
        nonlocal read
        while time.monotonic() < deadline and (read < options.min_streams or not STOP.exists()):
            wrong = wrong_with_a_stream(options.url)
            read += 1
            if wrong:
                failures[wrong] += 1
                print(f"{time.time():.3f} {wrong}", file=sys.stderr)
                time.sleep(1)

    with ThreadPoolExecutor(options.at_once) as callers:
        for each in [callers.submit(read_streams) for _ in range(options.at_once)]:
            each.result()
    print(json.dumps({"streams": read, "failures": failures}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--at-once", type=int, help="streams")
    parser.add_argument("--min-streams", type=int, help="before it stops")
    parser.add_argument("--max-seconds", type=float, help="after which no further stream begins")
    main(parser.parse_args())
