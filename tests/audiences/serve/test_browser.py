"""In a real browser, as those who ask would: type, move, download; readable by everyone; without a network."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from findcli.audiences.page.report import report
from findcli.audiences.saved import save_target
from findcli.audiences.select import Selection
from findcli.audiences.serve.answers import Answers
from findcli.audiences.serve.app import guarded
from findcli.audiences.serve.listen import listening
from findcli.audiences.target import target
from findcli.workspace.folder import Workspace
from tests.audiences.serve.test_app import written

TEA = "The user purchased tea."
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1200, "height": 900}
TARGETS = "a, button, input, summary"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true", reason="no chromium: apt-get install chromium"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "CI has to install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(answers: Answers) -> Iterator[str]:
    """The application at a free port of this machine."""
    answers.warm()
    with listening("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(guarded(answers, hosts=["127.0.0.1"]), log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{socket.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def page_file(served: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (audience,) = target(served, [TEA], selection=Selection(top_k=20))
    path = tmp_path_factory.mktemp("page") / "tea.html"
    path.write_text(report(served, save_target(served, "tea", audience).saved), encoding="utf-8")
    return path


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page in a context of its own; it fails if the page complains or asks anyone but this machine."""
    complaints: list[str] = []
    context = browser.new_context(**{"viewport": DESK, **options})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if asked.url[:17] not in own else None)
    own = ("http://127.0.0.1:", url[:17], "data:,"[:17])
    page.goto(url)
    yield page
    context.close()
    assert not complaints


def ask(page: Page, demand: str = TEA) -> None:
    page.get_by_label("In one sentence").fill(demand)
    page.get_by_role("button", name="Show them").click()
    page.wait_for_selector("#answer h2")


def is_readable_by_everyone(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": WCAG})
    assert not found.violations_count, [each["id"] for each in found.response["violations"]]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_type_move_download(browser: Browser, address: str, served: Workspace, tmp_path: Path) -> None:
    with opened(browser, address) as page:
        ask(page)
        assert page.get_by_role("slider").get_attribute("aria-valuetext") == "60 users"
        page.get_by_role("slider").focus()
        for _ in range(60):
            page.keyboard.press("ArrowLeft")
        users = int(page.get_by_label("Users").input_value())
        assert 1 < users < 60
        page.wait_for_selector(f"#answer h2:has-text('{users} users')")
        assert f"users={users}" in page.url
        assert str(users) in page.get_by_role("status").inner_text()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download CSV").click()
        waiting.value.save_as(tmp_path / "page.csv")
        assert (tmp_path / "page.csv").read_bytes() == written(served, TEA, users, tmp_path / "command.csv")


def test_the_keyboard_alone_suffices(browser: Browser, address: str, tmp_path: Path) -> None:
    with opened(browser, address) as page:
        press_until(page, lambda: page.evaluate("document.activeElement.id") == "q")
        page.keyboard.type(TEA)
        page.keyboard.press("Enter")
        page.wait_for_selector("#answer h2")
        press_until(page, lambda: page.evaluate("document.activeElement.id") == "slider")
        page.keyboard.press("Home")
        page.wait_for_selector("#answer h2:has-text('1 users')")
        page.keyboard.press("End")
        page.wait_for_selector("#answer h2:has-text('60 users')")
        press_until(page, lambda: "Download CSV" in page.evaluate("document.activeElement.innerText"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        with page.expect_download() as waiting:
            page.keyboard.press("Enter")
        waiting.value.save_as(tmp_path / "list.csv")
        assert (tmp_path / "list.csv").read_bytes().count(b"\n") == 61


def press_until(page: Page, reached: Callable[[], bool]) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if reached():
            return
    raise AssertionError("Tab does not lead there")


def test_without_scripts_the_form_does_the_same(browser: Browser, address: str) -> None:
    with opened(browser, address, java_script_enabled=False) as page:
        ask(page)
        page.get_by_label("Users").fill("9")
        page.get_by_role("button", name="Show them").click()
        page.wait_for_selector("#answer h2:has-text('9 users')")
        assert not page.get_by_label("How many").is_visible()


def test_a_demand_that_is_empty_or_strange_says_so(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}?{urlencode({'q': '()'})}")
    assert page.locator("#answer").inner_text()
    page.goto(f"{address}?{urlencode({'q': '<img src=x onerror=alert(1)>'})}")
    assert page.locator("#answer img").count() == 0
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("query", ["", f"?{urlencode({'q': TEA, 'users': 20})}"], ids=["empty", "answer"])
def test_the_application_is_readable(
    browser: Browser, address: str, size: dict[str, int], scheme: str, query: str
) -> None:
    with opened(browser, address + query, viewport=size, color_scheme=scheme, bypass_csp=True) as page:
        is_readable_by_everyone(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_report_is_readable_without_a_network(
    browser: Browser, page_file: Path, size: dict[str, int], scheme: str
) -> None:
    with opened(browser, page_file.as_uri(), viewport=size, color_scheme=scheme, offline=True, bypass_csp=True) as page:
        assert page.locator("svg.chart").first.bounding_box()["width"] > 250  # type: ignore[index]
        is_readable_by_everyone(page)
        page.get_by_text("For data scientists").click()
        is_readable_by_everyone(page)


def test_the_report_has_its_style_under_its_own_policy(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file.as_uri(), offline=True) as page:
        assert page.evaluate("getComputedStyle(document.querySelector('dl.facts')).display") == "grid"


def test_the_report_prints_light_and_in_full(browser: Browser, page_file: Path) -> None:
    with opened(browser, page_file.as_uri(), offline=True, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.get_by_text("users.parquet").is_visible()
        assert page.pdf().startswith(b"%PDF")
