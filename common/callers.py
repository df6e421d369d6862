"""Who sent a request: the connection's other end or, behind a trusted proxy, whom the proxy names."""

import ipaddress
from functools import lru_cache

from common.urls import is_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Of an X-Forwarded-For header; the others are further away than any proxy of one's own.
MAX_PROXIES = 20


def proxies(text: str) -> str:
    """Parse TRUSTED_PROXIES."""
    try:
        networks(text)
    except ValueError:
        raise ValueError("networks with commas, such as 10.0.0.0/8,fd00::/8") from None
    return text


@lru_cache(1)
def networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())


@lru_cache(1000)
def caller_behind(trusted: str, address: str, forwarded_for: str) -> str:
    """Return the address of a caller.

    Args:
        trusted: TRUSTED_PROXIES.
        address: the connection's other end.
        forwarded_for: the header X-Forwarded-For; each proxy has added whom it was called by.
    """
    named = forwarded_for.rsplit(",", MAX_PROXIES)[-MAX_PROXIES:]
    while named and is_trusted(address, networks(trusted)):
        nearest = named.pop().strip()
        if not is_address(nearest):
            break
        address = nearest
    return address


def is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    return is_address(address) and any(ipaddress.ip_address(address) in network for network in trusted)
