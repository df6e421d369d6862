"""An OpenAI-compatible endpoint that answers as a test scripted it."""

import json
from typing import Any

from tests.scripted_backend import Behaviour, ScriptedBackend, as_json

KEY = "sk-hunter2"
USAGE = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}


def message(finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    """Return a chat completion whose message has these fields."""
    choice = {"index": 0, "message": {"role": "assistant"} | fields, "finish_reason": finish_reason}
    return {"id": "1", "object": "chat.completion", "choices": [choice], "model": "m-2026", "usage": USAGE}


def completion(text: object, finish_reason: str | None = "stop") -> bytes:
    """Return an answer with a text."""
    return as_json(200, message(finish_reason, content=text))


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def chunk(text: object = None, finish_reason: str | None = None, **more: Any) -> bytes:
    """Return a chunk of a streamed completion."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta | more, "finish_reason": finish_reason}
    content = {"id": "1", "object": "chat.completion.chunk", "choices": [choice], "model": "m-2026"}
    return b"data: %s\n\n" % json.dumps(content).encode()


# The end of every stream: why the model ended, what was used, and that nothing comes any more.
END = chunk(None, "stop") + b"data: %s\n\n" % json.dumps({"choices": [], "usage": USAGE}).encode() + DONE


class Endpoint:
    """An endpoint that records the bodies it receives."""

    def __init__(self, upstream: ScriptedBackend) -> None:
        self.upstream = upstream
        self.forget()

    def forget(self) -> None:
        self.upstream.bodies.clear()
        self.upstream.requests.clear()

    @property
    def received(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.upstream.bodies[b""]]

    @property
    def heads(self) -> list[bytes]:
        return self.upstream.requests[b""]

    def will(self, *behaviours: Behaviour) -> None:
        """Script one behaviour a call, the last one for all further."""
        self.upstream.behaviours[b""] = behaviours

    def will_send(self, data: bytes) -> None:
        self.will(lambda connection: connection.sendall(data))

    @property
    def settings(self) -> dict[str, str]:
        return {
            "LOGIC": "llm",
            "LLM_BASE_URL": f"http://127.0.0.1:{self.upstream.port}/v1",
            "LLM_MODEL": "m",
            "LLM_API_KEY": KEY,
        }
