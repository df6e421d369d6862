"""What callers sent is kept out of the log, also where an exception's message repeats it."""

import re
import traceback
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Shorter words tell nothing, and are in most messages.
WORD = re.compile(r"\w{4,}")
# Headers whose values are no secrets, and whose words are in many messages.
HARMLESS = {"HTTP_HOST", "HTTP_ACCEPT", "HTTP_CONNECTION", "HTTP_USER_AGENT"}
MAX_CAUSES = 10


def redacted(text: str, environ: "WSGIEnvironment") -> str:
    """Return the text with `***` for each word that the request has in its query or in a header."""
    sent = [value for name, value in environ.items() if name.startswith("HTTP_") and name not in HARMLESS]
    sent.append(unquote_plus(environ.get("QUERY_STRING", ""), errors="replace"))
    words = {word for each in sent for word in WORD.findall(each)}
    return WORD.sub(lambda word: "***" if word[0] in words else word[0], text) if words else text


def traceback_text(error: BaseException, environ: "WSGIEnvironment | None") -> str:
    """Return the traceback of an exception and of what caused it, with redacted messages."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < MAX_CAUSES:
        message = str(current) if environ is None else redacted(str(current), environ)
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{type(current).__name__}: {message}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n\nwhich led to:\n\n".join(reversed(parts))
