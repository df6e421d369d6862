"""A chat completion: what it says, whole or in a stream of chunks."""

from collections.abc import Iterable, Iterator
from typing import Any

from werkzeug.exceptions import BadGateway, HTTPException, UnprocessableEntity

from backend.logic.llm.endpoint import MAX_BYTES
from common import strict_json
from common.sse import Decoder, TooLarge
from common.text import shortened

MAX_REFUSAL = 1000  # characters
LAST = b"[DONE]"  # instead of a chunk
NO_COMPLETION = "the model's answer is no chat completion"


def chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Return the chunks of a streamed completion, from the pieces in which it comes.

    Raises:
        BadGateway: one of them is too large.
    """
    decoder = Decoder(MAX_BYTES)
    for piece in pieces:
        try:
            events = [event for event in decoder.decode(piece) if event]  # without comments
        except TooLarge:
            raise BadGateway(f"the model's answer is larger than {MAX_BYTES} bytes") from None
        for event in events:
            if event.data == LAST:
                return
            yield event.data


class Completion:
    """What is there of a completion: all of it after one call of `add`, or after one for each chunk."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.characters = 0
        self.refusal = ""
        self.calls_tools = False
        self.content: dict[str, Any] = {}
        self.finish_reason: str | None = None

    def add(self, data: bytes) -> str:
        """Take in a whole completion or a chunk of one, in JSON; return its text.

        Raises:
            BadGateway: it is neither, or the whole is too large.
        """
        try:
            content = strict_json.loads(data)
            self.content |= {name: content[name] for name in ("model", "usage") if content.get(name)}
            choice = (content.get("choices") or [{}])[0]  # the chunk with the usage has none
            message = choice.get("delta") or choice.get("message") or {}
            text = text_of(message.get("content"))
            self.refusal += message.get("refusal") or ""
            is_error = "error" in content
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise BadGateway(NO_COMPLETION) from RuntimeError(type(error).__name__)
        if is_error:
            raise BadGateway("the model's endpoint broke off with an error")
        self.calls_tools |= bool(message.get("tool_calls") or message.get("function_call"))
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self.characters += len(text or "") + len(message.get("refusal") or "")
        if self.characters > MAX_BYTES:
            raise BadGateway(f"the model's answer is larger than {MAX_BYTES} characters")
        if text is not None:
            self.texts.append(text)
        return text or ""

    def fields(self) -> dict[str, Any]:
        """Return the answer's fields; raise an error that says why if it has no text."""
        text = "".join(self.texts)
        if not text and (error := self.why_no_text()):
            raise error
        return {
            "message": text,
            "model": self.content.get("model"),
            "finish_reason": self.finish_reason,
            "usage": self.content.get("usage"),
        }

    def why_no_text(self) -> HTTPException | None:
        """Return the error that says why there is no text; None where the model just said nothing."""
        if self.refusal:
            return UnprocessableEntity(f"the model refuses: {shortened(self.refusal, MAX_REFUSAL)}")
        if self.calls_tools:
            return BadGateway("the model called a tool instead of answering, and has none here")
        if self.finish_reason == "length":
            return UnprocessableEntity(
                "the model used up its tokens before it had a text, as one that reasons may; "
                "allow it more: max_tokens, LLM_MAX_TOKENS"
            )
        if self.finish_reason == "content_filter":
            return UnprocessableEntity("the endpoint's content filter kept the answer back")
        return None if self.texts else BadGateway("the model's answer has no text")


def text_of(content: object) -> str | None:
    """Return the text of a message: a string, or the parts that are text; not what it thought before."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    if content is None or isinstance(content, str):
        return content
    raise TypeError(type(content))
