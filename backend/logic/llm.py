"""The logic `llm`: a language model's text, from any OpenAI-compatible endpoint."""

import json
import re
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any

import gevent
from httpx2 import ConnectError, HTTPError, Limits, Response, TimeoutException
from openai import APIConnectionError, APITimeoutError, DefaultHttpxClient, OpenAI, Timeout
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadGateway, BadRequest, GatewayTimeout, TooManyRequests
from werkzeug.http import parse_date

from backend.logic import Logic
from backend.settings import LlmSettings

MAX_PROMPT = 4000  # characters
# For each address of the endpoint (seconds).
CONNECT_TIMEOUT = 3.0
# Largest answer read from the endpoint, in chunks of CHUNK_BYTES: less than the client accepts.
CHUNK_BYTES, MAX_CHUNKS = 10_000, 100
# Part of ANSWER_TIMEOUT that the model gets, so that our 504 arrives before the client gives up.
MODEL_SHARE = 0.95


def make(settings: LlmSettings) -> Logic:
    return Logic(Model(settings).answer)


class Model:
    """A model behind an endpoint."""

    def __init__(self, settings: LlmSettings) -> None:
        self.timeout = MODEL_SHARE * settings.answer_timeout
        self.name = settings.llm_model
        self.max_tokens = settings.llm_max_tokens
        self.key = settings.llm_api_key
        client = OpenAI(
            base_url=settings.llm_base_url,
            api_key=self.key or "none",  # the package wants one, endpoints may not
            max_retries=0,  # each attempt costs money
            timeout=Timeout(self.timeout, connect=CONNECT_TIMEOUT),
            http_client=DefaultHttpxClient(
                follow_redirects=False,  # the prompt goes nowhere else
                # No keep-alive: the endpoint may be closing an idle connection, and nothing is retried.
                limits=Limits(max_connections=settings.max_in_flight, max_keepalive_connections=0),
                # Not left to the package, which reads an error's body to its end.
                event_hooks={"response": [self.check]},
            ),
        )
        # Now, not in the first calls, since both block: an import, and a subprocess that names the platform.
        self.create = client.chat.completions.with_streaming_response.create
        client.platform_headers()

    def answer(self, args: MultiDict[str, str]) -> dict[str, Any]:
        """Return the model's answer to a prompt.

        Raises:
            BadRequest: the query has no prompt, one that is too long, or something else.
            TooManyRequests: the endpoint answered 429.
            GatewayTimeout: the endpoint took too long.
            BadGateway: the endpoint is unreachable, or answered with an error or without a text.
        """
        prompt = prompt_from(args)
        try:
            with gevent.Timeout(self.timeout):  # the package's own starts anew with each chunk
                body = self.complete(prompt)
        except (gevent.Timeout, TimeoutException, APITimeoutError):
            raise GatewayTimeout(f"the model did not answer within {self.timeout:g} s") from None
        except (HTTPError, APIConnectionError) as error:
            cause = error.__cause__ or error
            # All but the operating system's may quote what the endpoint sent.
            reason = cause if isinstance(cause, ConnectError) else RuntimeError(type(cause).__name__)
            raise BadGateway("the model's endpoint is unreachable or broke off") from reason
        return answer_fields(body)

    def complete(self, prompt: str) -> bytes:
        """Return the endpoint's answer to a prompt; BadGateway if it is too large."""
        with self.create(
            model=self.name,
            messages=[{"role": "user", "content": prompt}],
            max_completion_tokens=self.max_tokens,
        ) as response:
            body = b"".join(islice(response.iter_bytes(CHUNK_BYTES), MAX_CHUNKS + 1))
        if len(body) > CHUNK_BYTES * MAX_CHUNKS:
            raise BadGateway(f"the model's answer is larger than {CHUNK_BYTES * MAX_CHUNKS} bytes")
        return body

    def check(self, response: Response) -> None:
        """Raise the error of a status other than 2xx, with no more of the body read than its first chunk."""
        if response.is_success:
            return
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise TooManyRequests(
                "the model's endpoint takes no more requests now", retry_after=retry_after(response)
            )
        reason = error_kind(next(response.iter_bytes(CHUNK_BYTES), b""), self.key)
        raise BadGateway(f"the model's endpoint answered {response.status_code}") from RuntimeError(reason)


def prompt_from(args: MultiDict[str, str]) -> str:
    """Return the prompt, the only parameter that a query may have."""
    prompts = args.getlist("prompt")
    if set(args) != {"prompt"} or len(prompts) != 1 or not prompts[0].strip():
        raise BadRequest(f"allowed: prompt=…, once, with 1 to {MAX_PROMPT} characters, and nothing else")
    if len(prompts[0]) > MAX_PROMPT:
        raise BadRequest(f"prompt of {len(prompts[0])} characters; allowed: {MAX_PROMPT}")
    return prompts[0]


def retry_after(response: Response) -> int | datetime | None:
    """Return the endpoint's Retry-After: seconds, a date (RFC 9110 section 10.2.3) or None."""
    text = response.headers.get("Retry-After", "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else parse_date(text)


def error_kind(body: bytes, key: str) -> str:
    """Return an error's type and code for the log, with `?` for what could forge a line or is the key."""
    try:
        content = json.loads(body)
        error = content.get("error", content)
        values = [str(error.get(name)) for name in ("type", "code")]
    except (ValueError, AttributeError, RecursionError):
        values = ["", ""]
    for n, value in enumerate(values):
        if not re.fullmatch(r"[a-z0-9_.-]{1,60}", value) or (key and key.lower() in value):
            values[n] = "?"
    return "type {}, code {}".format(*values)


def answer_fields(body: bytes) -> dict[str, Any]:
    """Return the answer's fields from a chat completion; some endpoints leave out all but the text."""
    try:
        content = json.loads(body)
        choice = content["choices"][0]
        text = choice["message"]["content"]
        if not isinstance(text, str):
            raise TypeError(type(text))  # noqa: TRY301
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadGateway("the model's answer has no text") from error
    return {"message": text, "model": content.get("model"), "finish_reason": choice.get("finish_reason")}
