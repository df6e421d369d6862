"""The page in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.calls import eventually
from tests.page.browser import assert_fits_everyone, tab
from tests.page.conftest import PODS
from tests.processes import Service, running
from tests.scripted_backend import HELLO, ScriptedBackend, answer, as_json, hangs_after, sends

ROWS = {
    "message": "orders where price is above 60: 2 of 2",
    "rows": [
        {"id": 17, "item": "keyboard", "price": "61.00", "comment": "a long comment " * 10},
        {"id": 18, "item": "screen", "price": "249.90", "comment": None},
    ],
    "total": 2,
}


def url(client: Service, target: str = "/") -> str:
    return f"http://127.0.0.1:{client.port}{target}"


@pytest.mark.parametrize("javascript", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_what_was_asked_is_answered_and_the_form_asks_again(
    client: Service, described: ScriptedBackend, browser: Browser, *, javascript: bool
) -> None:
    asked = described.will(sends(as_json(200, ROWS, PODS["backend"])))
    described.behaviours[b"limit=5"] = (sends(as_json(200, {"message": "asked again"})),)
    with tab(browser, javascript=javascript) as it:
        assert it.open(url(client, f"{asked}&limit=5")) == 200
        assert it.text("#answer .message") == ROWS["message"]
        assert "screen" in it.text("#answer tbody tr:last-child")
        assert it.page.get_by_label("limit").input_value() == "5"
        assert it.text("#who h2 + dl dd:nth-of-type(2) >> nth=0").split() == [
            "backend-7c44d-9wzrt",
            "on",
            "kind-worker2",
        ]
        assert it.find("#latest svg path:not(.lines)").count() > 0
        assert it.find("#live").is_visible() == javascript

        it.page.get_by_label("mode").select_option("slow")
        it.page.get_by_label("limit").press("Enter")
        it.page.wait_for_url(url(client, asked.replace("/?", "/?limit=5&mode=slow&")))
        assert it.text("#answer .message") == "asked again"


@pytest.fixture(scope="module")
def away() -> Iterator[Service]:
    with running("client", URL="127.0.0.1:1", MAX_IN_FLIGHT="1") as it:
        yield it


@pytest.mark.full
@pytest.mark.parametrize("javascript", [False, True], ids=["without JavaScript", "with JavaScript"])
@pytest.mark.parametrize(
    ("behaviour", "target", "status", "words"),
    [
        (sends(as_json(400, {"exc": "unknown 'x'; allowed: limit"})), "", 400, ["unknown 'x'", "your query"]),
        (sends(HELLO), "/%zz", 400, ["your query", "The query is not understood."]),
        (sends(HELLO), f"/?{'x' * 60_001}", 414, ["your query", "The query is too long.", "shorter"]),
        (sends(answer(200, b"<html>")), "", 502, ["the backend", "The backend's answer cannot be used."]),
        (sends(b""), "", 502, ["the backend", "The backend broke off its answer."]),
        (sends(as_json(503, {"exc": "no database"})), "", 503, ["the backend", "not ready"]),
        (sends(as_json(503, {}, "Retry-After: 9")), "", 503, ["too much load", "Ask again in 9 s."]),
        (hangs_after(b""), "", 504, ["the backend", "The backend takes too long."]),
    ],
    ids=["400", "400 path", "414", "502 answer", "502 broken off", "503", "503 load", "504"],
)
def test_an_error_is_told_in_words(  # noqa: PLR0917
    client: Service,
    described: ScriptedBackend,
    browser: Browser,
    behaviour: object,
    target: str,
    status: int,
    words: list[str],
    *,
    javascript: bool,
) -> None:
    asked = url(client, target or described.will(behaviour))  # type: ignore[arg-type]
    with tab(browser, javascript=javascript) as it:
        assert it.open(asked) == status
        shown = it.text("#answer")
        assert [word for word in words if word not in shown] == []
        trace_id = it.text("#answer code")
        eventually("a log line", lambda: client.requests(trace_id=trace_id, status=status))
    if javascript:
        assert_fits_everyone(browser, asked)


@pytest.mark.full
@pytest.mark.parametrize("javascript", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_a_backend_that_is_away_is_told_in_words(
    away: Service, browser: Browser, *, javascript: bool
) -> None:
    with tab(browser, javascript=javascript) as it:
        assert it.open(url(away, "/?a=1")) == 502
        assert "The backend cannot be reached." in it.text("#answer")
        assert it.page.get_by_label("Name 1").input_value() == "a"


@pytest.mark.full
def test_the_page_fits_a_phone_and_a_screen_reader(
    client: Service, described: ScriptedBackend, browser: Browser
) -> None:
    long = {"message": "Donaudampfschifffahrt" * 40, "x" * 90: "y" * 900, "rows": [{"a" * 90: "b" * 900}] * 3}
    for content in (ROWS, {"message": "hello"}, long):
        target = described.will(sends(as_json(200, content, f"X-Served-By: {'b' * 253} {'n' * 253}")))
        assert_fits_everyone(browser, url(client, f"{target}&{'z' * 90}={'v' * 900}"))


@pytest.mark.full
def test_the_keyboard_reaches_everything_in_the_order_of_the_page(
    client: Service, described: ScriptedBackend, browser: Browser
) -> None:
    focused = "document.activeElement.name || document.activeElement.id || document.activeElement.innerText"
    with tab(browser) as it:
        it.open(url(client, described.will(sends(HELLO))))
        order = []
        for _ in range(15):
            it.page.keyboard.press("Tab")
            order.append(it.page.evaluate(focused))
            if order[-1] == "The same answer as JSON":
                break
        assert order == [
            *("live", "page.path", "/", "/orders", "limit", "mode", "prompt"),
            *("page.name", "page.value", "page.name", "page.value", "Ask", "The same answer as JSON"),
        ]
        it.page.keyboard.press("Enter")
        expect(it.find("#json")).to_be_visible()
        assert '"message": "hello"' in it.text("#json")


@pytest.mark.full
def test_the_page_asks_each_second_while_the_switch_is_on(
    client: Service, described: ScriptedBackend, browser: Browser
) -> None:
    numbered = [sends(as_json(200, {"message": f"answer {number}"})) for number in range(4)]
    target = described.will(*numbered[:3], sends(as_json(503, {"exc": "busy"})), numbered[3])
    with tab(browser) as it:
        it.open(url(client, target))
        switch = it.page.get_by_role("switch")
        assert switch.get_attribute("aria-checked") == "false"
        it.page.wait_for_timeout(1500)
        assert len(described.seen(target)) == 1, "nothing is asked while the switch is off"

        it.page.get_by_label("limit").fill("7")
        switch.click()
        expect(it.find("#answer .message")).to_have_text("answer 2")
        expect(it.find("h1")).to_have_text("503 Service Unavailable")
        expect(it.find("#note")).to_have_text("Asking: 503")
        expect(it.find("#answer .message")).to_have_text("answer 3")
        assert it.page.get_by_label("limit").input_value() == "7", "what is being typed must stay"

        switch.press("Space")
        assert switch.get_attribute("aria-checked") == "false"
        asked = len(described.seen(target))
        it.page.wait_for_timeout(1500)
        assert len(described.seen(target)) == asked


@pytest.mark.full
def test_a_hidden_tab_asks_nothing_until_it_is_seen_again(
    client: Service, described: ScriptedBackend, browser: Browser
) -> None:
    target = described.will(sends(HELLO))
    hide = "value => { Object.defineProperty(document, 'hidden', { value, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')) }"
    with tab(browser) as it:
        it.open(url(client, target))
        it.page.get_by_role("switch").click()
        described.await_requests(target, 3)

        it.page.evaluate(hide, arg=True)
        asked = len(described.seen(target))
        it.page.wait_for_timeout(2000)
        assert len(described.seen(target)) <= asked + 1, "one may have been under way"

        it.page.evaluate(hide, arg=False)
        eventually("it asks again", lambda: len(described.seen(target)) > asked + 1)


@pytest.mark.full
def test_what_is_selected_or_focused_is_left_alone(
    client: Service, described: ScriptedBackend, browser: Browser
) -> None:
    target = described.will(sends(as_json(200, ROWS)))
    with tab(browser) as it:
        it.open(url(client, target))
        it.page.get_by_role("switch").click()
        it.find("#answer .wide").focus()
        trace = it.text("#who code")
        expect(it.find("#who code")).not_to_have_text(trace)
        assert it.page.evaluate("document.activeElement.className") == "wide"


@pytest.mark.full
def test_a_client_that_is_gone_is_said_and_asked_on(described: ScriptedBackend, browser: Browser) -> None:
    target = described.will(sends(HELLO))
    with tab(browser) as it:
        with running("client", URL=f"127.0.0.1:{described.port}") as client:
            it.open(url(client, target))
            it.page.get_by_role("switch").click()
            described.await_requests(target, 2)
        expect(it.find("#note")).to_have_text("Asking: this client does not answer")
        with running("client", URL=f"127.0.0.1:{described.port}", PORT=str(client.port)):
            expect(it.find("#note")).to_have_text("Asking: 200", timeout=10_000)
        it.complaints.clear()  # the browser complains of calls that fail


@pytest.mark.full
def test_a_frame_of_another_page_stays_empty(
    client: Service, described: ScriptedBackend, browser: Browser
) -> None:
    framed = url(client, described.will(sends(HELLO)))
    context = browser.new_context()
    page = context.new_page()
    page.set_content(f"<iframe src='{framed}'></iframe>")
    eventually("it is refused", lambda: page.frames[-1].url.startswith("chrome-error:"))
    context.close()
