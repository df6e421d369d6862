"""Settings: frozen dataclasses read from the environment once, at start-up.

A field is a setting; its name in upper case is the environment variable's.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from common.budget import DEFAULT_BYTES
from common.callers import proxies
from common.cpu import cores_in_quota
from common.resource import attributes_text
from common.urls import base_url, masked_url


class SettingsError(SystemExit):
    """The settings are not allowed: exit code 1 and a line on standard error for each bad one."""


# What has a colon and is no `name:password`: host:port, and IPv6 addresses and networks with commas.
PLAIN_COLONS = re.compile(r"[^:]*:[0-9]{1,5}|[0-9A-Fa-f.,/\[\] ]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.,/\[\] ]*")


def masked(text: str) -> str:
    """Return the text, masked if it looks like a URL or credentials, perhaps in the wrong setting."""
    is_plain = ":" not in text or PLAIN_COLONS.fullmatch(text)
    return text if is_plain and not re.search(r"[@%=?#;&]", text) else masked_url(text)


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


def log_format(text: str) -> str:
    """Parse LOG_FORMAT."""
    if text not in ("auto", "json", "text"):
        raise ValueError("auto, json or text")
    return text


def commit(text: str) -> str:
    """Parse GIT_COMMIT."""
    if not re.fullmatch("([0-9a-f]{7,64}|unknown)?", text):
        raise ValueError("7 to 64 hexadecimal digits, or unknown")
    return text or "unknown"


def sampler(text: str) -> str:
    """Parse OTEL_TRACES_SAMPLER."""
    names = ("always_on", "always_off", "traceidratio")
    if text.removeprefix("parentbased_") not in names:
        raise ValueError(f"{', '.join(names)}, or one of them after parentbased_")
    return text


def service_name(text: str) -> str:
    """Parse OTEL_SERVICE_NAME."""
    if not re.fullmatch("[A-Za-z0-9._/-]{0,100}", text):
        raise ValueError("at most 100 letters, digits and ._/-")
    return text


def http_url(text: str) -> str:
    """Parse the base URL of another server."""
    try:
        return base_url(text).geturl()
    except ValueError:
        raise ValueError("http://host[:port][/path] or https://host[:port][/path]") from None


def collector(text: str) -> str:
    """Parse OTEL_EXPORTER_OTLP_ENDPOINT."""
    return text and http_url(text)


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
    stream_timeout: float = setting(
        number(1, 3600, float),
        "Longest stream, in seconds; `ANSWER_TIMEOUT` limits the wait for each of its events. "
        "A stop waits as long.",
        default=120.0,
    )
    max_in_flight: int = setting(
        number(1, 100_000),
        "Requests that a process answers at once; any more get a 503 with `Retry-After`.",
        default=1000,
    )
    max_buffered_bytes: int = setting(
        number(1_048_576, 1_000_000_000_000),
        "Bytes that a process holds of unfinished requests and unsent answers; beyond it, a 503.",
        default=DEFAULT_BYTES,
    )
    max_request_bytes: int = setting(
        number(1, 1_000_000_000),
        "Largest body of a request, in bytes; beyond it, a 413.",
        default=1_048_576,
    )
    idle_timeout: int = setting(
        number(1, 86_400),
        "How long an idle connection is kept, in seconds; longer than what is in front keeps it.",
        default=620,
    )
    access_log: bool = setting(
        flag, "A log line per request: `true` or `false`.", default=True, shown_default="true"
    )
    log_format: str = setting(
        log_format,
        "`json` or `text` lines; `auto` is text where standard output is a terminal, else JSON.",
        default="auto",
    )
    trusted_proxies: str = setting(
        proxies,
        "Networks of proxies, with commas: behind one, `caller` in the log is whom it names.",
        default="",
        shown_default="none",
    )
    metrics_port: int = setting(
        number(0, 65535),
        "Port that answers Prometheus; 0: none does, and nothing is counted.",
        default=9464,
    )
    git_commit: str = setting(commit, "The commit that was built, for `/version`.", default="unknown")
    otel_resource_attributes: str = setting(
        attributes_text,
        "What a process runs on, as OpenTelemetry names it; `k8s.pod.name` is in each log line.",
        default="",
        shown_default="none",
    )
    otel_exporter_otlp_endpoint: str = setting(
        collector,
        "Where traces are sent, as OTLP over HTTP, such as http://localhost:4318.",
        default="",
        shown_default="none",
        mask=masked_url,
    )
    otel_traces_sampler: str = setting(
        sampler,
        "Which requests are traced; `parentbased_…`: the caller decides if it has sent a `traceparent`.",
        default="parentbased_traceidratio",
    )
    otel_traces_sampler_arg: float = setting(
        number(0, 1, float),
        "Part of the requests that `traceidratio` traces.",
        default=0.1,
    )
    otel_service_name: str = setting(
        service_name,
        "Name of the service in traces.",
        default="",
        shown_default="backend / client",
    )
    otel_sdk_disabled: bool = setting(
        flag, "Trace nothing: `true` or `false`.", default=False, shown_default="false"
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
                if name not in environ:
                    raise ValueError("a value")  # noqa: TRY301  the parser takes the empty text, too
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
        if self.max_request_bytes <= self.max_buffered_bytes:
            return []
        allowed = f"at most MAX_BUFFERED_BYTES={self.max_buffered_bytes}"
        return [f"MAX_REQUEST_BYTES={self.max_request_bytes} is not allowed: expected {allowed}"]

    def __str__(self) -> str:
        """Return the start-up log line."""
        shown = {each.name: each.metadata["mask"](str(getattr(self, each.name))) for each in fields(self)}
        return " ".join(f"{name.upper()}={value}" for name, value in shown.items())
