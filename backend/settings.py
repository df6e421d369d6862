"""The backend's settings: LOGIC, which chooses what answers, and with it which others there are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

from backend.lookup import allowed_logics, built_in_logics, settings_of
from common.settings import ServiceSettings, masked, setting

# package.module:name, or what may be meant by it; no user:password can be told from that.
ENTRY_POINT, LIKE_ONE = re.compile(r"\w+(\.\w+)*:\w+"), re.compile(r"[\w. ]*:\w*")


def logic(text: str) -> str:
    """Parse LOGIC without importing it, which only a worker does, once gevent has patched Python."""
    if text in built_in_logics():
        return text
    if ENTRY_POINT.fullmatch(text) and find_spec(re.split("[.:]", text)[0]):
        return text
    raise ValueError(allowed_logics())


def masked_logic(text: str) -> str:
    """Return the text unless it looks like credentials."""
    return text if LIKE_ONE.fullmatch(text) else masked(text)


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """The choice of a logic; a logic with settings of its own adds them in a subclass."""

    logic: str = setting(
        logic,
        "What answers: `hello`, another name in `backend/logic/`, or one of yours as `package.module:name`.",
        default="hello",
        mask=masked_logic,
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings of the chosen logic; see ServiceSettings.from_environ."""
        try:
            chosen = settings_of(logic(environ.get("LOGIC", "hello")), Settings)
        except ValueError:  # reported below, with whatever else is not allowed
            chosen = Settings
        return super(Settings, chosen).from_environ(environ)  # type: ignore[return-value]  # the chosen subclass
