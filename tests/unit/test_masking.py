"""What of a setting is logged: never a password, whatever the form in which it was mistyped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.settings import Settings as BackendSettings
from client.settings import ALLOWED
from client.settings import Settings as ClientSettings
from common.settings import SettingsError, masked
from common.urls import masked_url
from tests.manifests.services import FOLDERS, SECRETS, own_fields


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tcp://10.0.0.1:8080", "tcp://10.0.0.1:8080"),
        ("ftp://backend", "***"),
        ("http://backend:0/", "http://backend:0/"),
        ("http://[::1]:65536", "http://[::1]:65536"),
        ("http://1.2.3/api/v1", "http://1.2.3/***"),
        ("postgres://db", "postgres://db"),
        ("", ""),
        ("backend:0", "***"),
        ("http://backend:port", "***"),
        ("http://a b/", "***"),
        ("http://backend\n", "***"),
        ("http://backend/api?a=1", "***"),
    ],
)
def test_a_refused_url_is_shown_only_where_it_has_no_room_for_a_password(text: str, shown: str) -> None:
    assert masked_url(text) == shown
    with pytest.raises(SettingsError) as caught:
        ClientSettings.from_environ({"URL": text})
    assert str(caught.value) == f"URL={shown!r} is not allowed: expected {ALLOWED}"


# Each setting that may hold a credential, with what is set beside it.
CREDENTIALS: list[tuple[str, dict[str, str]]] = [
    ("URL", {}),
    *(
        (field.name.upper(), {"LOGIC": logic} | SECRETS.get(logic, {}))
        for logic in FOLDERS
        for field in own_fields(logic)
        if field.metadata["mask"] is not masked
    ),
]
# Mistyped or misplaced; where a URL has its host, nothing can be told from a host.
FORMS = [
    "me:{}@backend:80", "https://me:{}@backend/api", "http://{}@backend", "http://{}:@backend",
    "git+ssh://me:{}@backend", "http://me:hunt@er2{}@backend", "http://me:hunt@er2/{}", "http://me:1/{}@backend",
    "http://me:1/{}%40backend", "http://me:1#{}@backend", "me:{}%40backend", "http://me:{}%40backend",
    "http://me:{}", "http://me:{}/", "me:{}", "{}\n", "{}://backend", "postgresql+{}://backend",
    "http://backend/?token={}&a", "http://backend?{}", "http://backend/#{}", "http://backend/{}",
    "backend/{}", "http://backend/{}/?", "http://backend/;password={}", "http://backend/a b{}", "http://backend\\{}",
    "host=db password={}", "host=db\npassword={}", "Server=db;Password={}", "Server=http://db;Password={}",
    "postgres://me:{}@db/zones", "postgresql+psycopg://me:{}@db", "jdbc:postgresql://db/zones?password={}",
    "postgresql+psycopg://me:{}@db/zones?a=me@db", "postgresql+psycopg://me:{}@db/zones?sslpassword={}",
    "postgresql+psycopg://db/zones?password={}", "postgresql+psycopg://host=db password={}/zones",
    "postgresql+psycopg://me:1/{}@db/zones", "postgresql+psycopg://me:1?{}@db/zones",
    "postgresql+psycopg://me:{}@db/zones\n", "postgresql+psycopg://me:{}@db/zones",
]  # fmt: skip


def logged(environ: dict[str, str]) -> str:
    """Return what is logged of the settings: the start-up line, or the error instead of it."""
    try:
        service = BackendSettings if "LOGIC" in environ else ClientSettings
        return str(service.from_environ(environ))
    except SettingsError as refused:
        return str(refused)


@pytest.mark.parametrize(("name", "others"), CREDENTIALS)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_never_shown(name: str, others: dict[str, str], form: str) -> None:
    line = logged(others | {name: form.replace("{}", "hunter2")})

    assert f"{name}=" in line
    assert "hunt" not in line
    assert "er2" not in line


@given(st.text("ab1.:/@?#%=; -[]\n"), st.text("ab1.:/@?#%=; -[]\n"))
def test_a_secret_is_never_shown_whatever_stands_around_it(before: str, after: str) -> None:
    for scheme in ("", "http://", "postgresql+psycopg://", "postgresql+psycopg://me:"):
        text = f"{scheme}{before}hunter2!{after}"  # no host
        for name, others in CREDENTIALS:
            assert "hunter" not in logged(others | {name: text})


@pytest.mark.parametrize("name", ["HOST", "PORT", "ACCESS_LOG", "LOGIC"])
@pytest.mark.parametrize(
    "text", ["postgresql://me:hunter2@db/zones", "host=db password=hunter2", "hunter2%40db"]
)
def test_a_secret_in_the_wrong_setting_is_masked(name: str, text: str) -> None:
    assert logged({"LOGIC": "hello"} | {name: text}).startswith(f"{name}='***' is not allowed: expected ")


@pytest.mark.parametrize("name", ["HOST", "PORT", "ACCESS_LOG", "TRUSTED_PROXIES"])
@pytest.mark.parametrize("text", ["me:hunter2", "me:1:2", ":hunter2", "[::1]:hunter2", "me:123456"])
def test_what_may_be_a_password_after_a_colon_is_masked(name: str, text: str) -> None:
    assert logged({"LOGIC": "hello", name: text}).startswith(f"{name}='***' is not allowed: expected ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HOST", "localhost:8080"),
        ("HOST", "10.0.0.1:8080"),
        ("HOST", "::1"),
        ("TRUSTED_PROXIES", "fd00::/8, 10.0.0.0/33"),
        ("LOGIC", "greeting.polite:answer"),
    ],
)
def test_addresses_and_the_name_of_a_logic_are_shown_with_their_colons(name: str, text: str) -> None:
    assert logged({"LOGIC": "hello"} | {name: text}).startswith(f"{name}={text!r} is not allowed: expected ")
