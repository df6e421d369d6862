"""What an endpoint's error means for the caller.

429, 503   the endpoint takes no more requests, or its model is loading: the same, with Retry-After
400        the conversation is too long for the model, or the endpoint refuses a field that the caller sent
502        any other: the backend's own settings are wrong, or the endpoint is broken
"""

import json
import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

from werkzeug.exceptions import BadGateway, BadRequest, HTTPException, ServiceUnavailable, TooManyRequests
from werkzeug.http import parse_date

# In OpenAI's code, llama.cpp's type, and the message of those that have neither, as vLLM and LiteLLM.
TOO_LONG = re.compile(r"context.?(length|size|window)", re.IGNORECASE)
# For a model that is loading, where the endpoint does not say (seconds).
RETRY_AFTER = 5


def refusal(status: int, retry_after: str, body: bytes, key: str, fields: Collection[str]) -> HTTPException:
    """Return what the caller is told about the endpoint's error.

    Args:
        status: the endpoint's status, none of 2xx.
        retry_after: its Retry-After.
        body: its body, or the beginning of a long one.
        key: LLM_API_KEY, which must appear nowhere.
        fields: those of the request that the caller sent, and can change.
    """
    error = parsed(body)
    when = parsed_retry_after(retry_after)
    message = str(error.get("message"))
    if status == 429:
        return TooManyRequests("the model's endpoint takes no more requests now", retry_after=when)
    if status == 503:
        what = "the model is loading" if "loading" in message.lower() else "the model's endpoint is busy"
        return because(ServiceUnavailable(what, retry_after=when or RETRY_AFTER), error, key)
    if status in (400, 413, 422):
        if TOO_LONG.search(f"{error.get('code')} {error.get('type')} {message}"):
            return BadRequest("the conversation and max_tokens are longer than the model's context")
        param = re.split(r"[.\[]", str(error.get("param")))[0]
        if param in fields:
            return because(BadRequest(f"{param}: refused by the model's endpoint"), error, key)
    return because(BadGateway(f"the model's endpoint answered {status}"), error, key)


def parsed(body: bytes) -> dict[str, Any]:
    """Return the error in a body; nothing if it has none."""
    try:
        content = json.loads(body)
        error = content.get("error", content)
    except (ValueError, AttributeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {"message": error}


def because(answer: HTTPException, error: dict[str, Any], key: str) -> HTTPException:
    """Return the answer with the error's type and code for the log, and `?` for what is unsafe there."""
    shown = [str(error.get(name) or "") for name in ("type", "code")]
    for n, value in enumerate(shown):
        # What could forge a line, or is the key.
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", value) or (key and key.lower() in value.lower()):
            shown[n] = "?"
    answer.__cause__ = RuntimeError("type {}, code {}".format(*shown))
    return answer


def parsed_retry_after(text: str) -> int | datetime | None:
    """Return a Retry-After: seconds, a date (RFC 9110 section 10.2.3) or None."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else parse_date(text)
