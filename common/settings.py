"""Settings: frozen dataclasses read from the environment once, at start-up.

A field is a setting; its name in upper case is the environment variable's.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from common.cpu import cores_in_quota
from common.urls import masked_url


class SettingsError(SystemExit):
    """The settings are not allowed: exit code 1 and a line on standard error for each bad one."""


def masked(text: str) -> str:
    """Return the text, masked if it is a URL or a connection string, perhaps in the wrong setting."""
    return masked_url(text) if re.search(r"[@%=?#;&]|://", text) else text


def hidden(text: str) -> str:
    """Return `***` for a secret."""
    return "***" if text else ""


def setting(
    parse: Callable[[str], Any],
    meaning: str,
    *,
    default: Any = MISSING,  # noqa: ANN401  any type of value
    shown_default: str = "",
    mask: Callable[[str], str] = masked,
) -> Any:  # noqa: ANN401  stands where the dataclass field's own type is declared
    """Declare a setting.

    Args:
        parse: turns the variable's text into a value, or raises ValueError saying what is allowed.
        meaning: its description in the README, with the unit.
        default: the value if the variable is not set, or a function without arguments that returns it;
            a setting without a default is required.
        shown_default: the default in the README, where str(default) would not do.
        mask: turns the text, allowed or not, into what may be logged: `masked_url` where it may hold
            a credential, `hidden` where it is one.
    """
    shown_default = shown_default or ("required" if default is MISSING else str(default))
    metadata = {"parse": parse, "meaning": meaning, "shown_default": shown_default, "mask": mask}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def number(low: float, high: float, kind: type[int] | type[float] = int) -> Callable[[str], Any]:
    """Return a parser for numbers from low to high."""
    allowed = f"a {'whole ' if kind is int else ''}number from {low} to {high}"

    def parse(text: str) -> float:
        # isascii: int() would also take other scripts' digits.
        if not (text.isascii() and re.fullmatch(r"\d+(\.\d+)?", text)):
            raise ValueError(allowed)
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(allowed) from None
        if not low <= value <= high:
            raise ValueError(allowed)
        return value

    return parse


def flag(text: str) -> bool:
    """Parse `true` or `false`."""
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def host(text: str) -> str:
    """Parse the address to listen on."""
    if not re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", text):
        raise ValueError("a host name, an IPv4 address or an IPv6 address in brackets")
    return text


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Settings of both services."""

    host: str = setting(host, "Address to listen on.", default="0.0.0.0")  # noqa: S104  a container's own
    port: int = setting(number(1, 65535), "Port to listen on.", default=8080)
    workers: int = setting(
        number(1, 64),
        "gunicorn worker processes.",
        default=cores_in_quota,
        shown_default="the CPU quota, rounded up; 1 without one",
    )
    answer_timeout: float = setting(
        number(1, 3600, float),
        "Longest wait for the backend's answer, in seconds; then 504. A stop waits for answers as long.",
        default=30.0,
    )
    max_in_flight: int = setting(
        number(1, 100_000),
        "Requests that a process answers at once; any more get a 503 with `Retry-After`.",
        default=1000,
    )
    max_buffered_bytes: int = setting(
        number(1_048_576, 1_000_000_000_000),
        "Bytes that a process holds of unfinished requests and unsent answers; beyond it, a 503.",
        default=33_554_432,
    )
    idle_timeout: int = setting(
        number(1, 86_400),
        "How long an idle connection is kept, in seconds; longer than what is in front keeps it.",
        default=620,
    )
    access_log: bool = setting(
        flag, "A log line per request: `true` or `false`.", default=True, shown_default="true"
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings that the environment variables hold.

        Raises:
            SettingsError: naming every bad or missing variable, its value and what is allowed.
        """
        values, errors = {}, []
        for each in fields(cls):
            name, text = each.name.upper(), environ.get(each.name.upper(), "")
            if name not in environ and (each.default, each.default_factory) != (MISSING, MISSING):
                continue
            try:
                values[each.name] = each.metadata["parse"](text)
            except ValueError as allowed:
                shown = each.metadata["mask"](text)
                problem = f"{name}={shown!r} is not allowed" if name in environ else f"{name} is missing"
                errors.append(f"{problem}: expected {allowed}")
        if errors:
            raise SettingsError("\n".join(errors))
        settings = cls(**values)
        if conflicts := settings.conflicts():
            raise SettingsError("\n".join(conflicts))
        return settings

    def conflicts(self) -> list[str]:
        """Return a line for each setting whose value is not allowed beside that of another one."""
        return []

    def __str__(self) -> str:
        """Return the start-up log line."""
        shown = {each.name: each.metadata["mask"](str(getattr(self, each.name))) for each in fields(self)}
        return " ".join(f"{name.upper()}={value}" for name, value in shown.items())
