"""Whom a proxy names, and who is believed."""

import pytest

from client.settings import Settings
from common.callers import caller_behind
from common.settings import SettingsError

TRUSTED = "10.0.0.0/8, fd00::/8"


@pytest.mark.parametrize(
    ("address", "forwarded_for", "caller"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", 'nonsense", 10.0.0.2', "10.0.0.2"),
        ("10.0.0.1", 'fe80::1%"forged', "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9," + "10.0.0.2," * 30 + "10.0.0.2", "10.0.0.2"),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy_is_the_caller(
    address: str, forwarded_for: str, caller: str
) -> None:
    assert caller_behind(TRUSTED, address, forwarded_for) == caller


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy", "10.0.0.0/8;fd00::/8", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"TRUSTED_PROXIES=.* is not allowed: expected networks with commas"
    ):
        Settings.from_environ({"TRUSTED_PROXIES": text})
