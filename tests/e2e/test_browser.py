"""The UI in headless Chromium: a new language appears, is built by clicking, and what it shows is inert.

Screenshots go to the folder XINSTR_SCREENSHOTS, or to pytest's own.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from selenium.common.exceptions import WebDriverException

from tests.e2e.conftest import CommandLine, wait_for
from tests.e2e.user_interface import LANGUAGE_ASSETS, NO_ANSWER, UserInterface, end, start

pytestmark = pytest.mark.browser

HOSTILE = (
    "Tell me about https://evil.example/a and www.evil.example and someone@evil.example and "
    "<img src=x onerror=alert(1)> ![x](https://evil.example/x.png) [click](javascript:alert(1))"
)
DIALOG = "//*[contains(@class, 'dagster-dialog')]"
CHROMIUM_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1700,1000",
)  # fmt: skip


_NOT_YET = (WebDriverException, *NO_ANSWER)  # also what a page that is being rebuilt answers with


@pytest.fixture(scope="module")
def ui(asking_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserInterface]:
    """The UI over two languages; Swahili has seeds that try to break out of their cells."""
    from tests.dagster.asking_model import TINY_SETTINGS
    from tests.e2e.conftest import REGISTRY

    home = tmp_path_factory.mktemp("home")
    (home / "languages.toml").write_text(REGISTRY, "utf-8")
    (home / "xinstr.toml").write_text(f"base_model = '{asking_model}'\n{TINY_SETTINGS}", "utf-8")
    started = start(CommandLine(home))
    yield started
    end(started.process)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("XINSTR_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _text(browser: Any) -> str:
    from selenium.webdriver.common.by import By

    return str(browser.find_element(By.TAG_NAME, "body").text)


def _click(browser: Any, what: str, xpath: str) -> None:
    """Click the last visible element of an XPath: dialogs come after the page that they cover."""
    from selenium.webdriver.common.by import By

    def clicked() -> bool:
        found = [e for e in browser.find_elements(By.XPATH, xpath) if e.is_displayed() and e.is_enabled()]
        if found:
            browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found[-1])
            found[-1].click()
        return bool(found)

    wait_for(what, 120, clicked, _NOT_YET)


def test_the_ui_listens_on_the_loopback_address_alone(ui: UserInterface) -> None:
    family = [psutil.Process(ui.process.pid), *psutil.Process(ui.process.pid).children(recursive=True)]
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for one in family
        for connection in one.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", ui.port) in listening
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}


def test_a_second_ui_of_the_home_is_one_line(ui: UserInterface) -> None:
    done = ui.xinstr("ui", "--port", str(ui.port))
    assert done.returncode == 1
    assert done.stderr == (
        f"error: the UI of this home is served already by process {ui.process.pid} at {ui.address}: "
        "open that page, or stop it\n"
    )


def test_a_new_language_appears_and_is_built_by_clicking(ui: UserInterface, browser: Any, screenshots: Path) -> None:
    wait_for("the registered languages", 120, lambda: ui.partitions() == ["fi", "sw"], _NOT_YET)
    browser.get(f"{ui.address}/assets")
    wait_for(
        "every asset", 180, lambda: all(name in _text(browser) for name in (*LANGUAGE_ASSETS, "catalogue")), _NOT_YET
    )
    browser.save_screenshot(str(screenshots / "1-assets-empty.png"))

    seeds = ui.xinstr.home / "seeds.jsonl"
    seeds.write_text(_hostile_seeds(), "utf-8")
    with (ui.xinstr.home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write(f'\n[tr]\nname = "Turkish"\nscript = "Latn"\nseeds = "{seeds}"\n')
    wait_for("the new language", 120, lambda: ui.partitions() == ["fi", "sw", "tr"], _NOT_YET)

    _open_graph(ui, browser)
    browser.save_screenshot(str(screenshots / "2-graph-empty.png"))
    _click(browser, "Materialize all", "//button[contains(., 'Materialize all')]")
    _click(browser, "the partitions", f"{DIALOG}//*[normalize-space(text())='Select a partition or create one']")
    _click(browser, "the new language", "//*[@role='menuitem']//*[normalize-space(text())='tr']")
    wait_for("one chosen partition", 60, lambda: "1 partition" in _text(browser), _NOT_YET)
    browser.save_screenshot(str(screenshots / "3-partition-chosen.png"))
    _click(browser, "the dialog's title", f"{DIALOG}//*[contains(text(), 'to materialize 10 assets')]")
    _click(browser, "Launch", "//button[contains(., 'Launch 1 run')]")

    wait_for("the build", 400, lambda: ui.materialised("tr") == set(LANGUAGE_ASSETS), _NOT_YET)
    assert ui.materialised("fi") == ui.materialised("sw") == set()
    wait_for("the end of the run", 120, lambda: [run["status"] for run in ui.runs()] == ["SUCCESS"], _NOT_YET)
    _open_graph(ui, browser)
    time.sleep(5)
    browser.save_screenshot(str(screenshots / "4-graph-built.png"))


def _open_graph(ui: UserInterface, browser: Any) -> None:
    browser.get(f"{ui.address}/asset-groups")
    in_list_and_drawing = 2
    wait_for("the asset graph", 180, lambda: _text(browser).count("4_model") >= in_list_and_drawing, _NOT_YET)


def _hostile_seeds() -> str:
    import random

    from xinstr_core.pocket.documents import draw_topics, write_document, write_instruction

    rng = random.Random(7)
    return "".join(
        json.dumps(
            {"instruction": f"{HOSTILE} {write_instruction(topic, 'en', rng)}", "response": write_document(topic, rng)}
        )
        + "\n"
        for topic in draw_topics("tr", 60, rng)
    )


PAGES = {
    "5-seed_pairs": "assets/seed_pairs?view=partitions&partition=tr",
    "6-raw_corpus": "assets/raw_corpus?view=partitions&partition=tr",
    "7-evaluator": "assets/evaluator?view=partitions&partition=tr",
    "8-eval_report": "assets/eval_report?view=partitions&partition=tr",
    "9-catalogue": "assets/catalogue?view=overview",
    "10-checks": "assets/raw_corpus?view=checks",
    "11-overview": "assets/candidate_pairs?view=overview",
    "12-automation": "automation",
}


@pytest.mark.parametrize(("name", "page"), PAGES.items(), ids=PAGES.keys())
def test_a_page_opens(ui: UserInterface, browser: Any, screenshots: Path, name: str, page: str) -> None:
    browser.get(f"{ui.address}/{page}")
    asset = page.split("/")[-1].split("?")[0]
    wait_for(f"the page {page}", 120, lambda: asset in _text(browser).lower(), _NOT_YET)
    time.sleep(4)
    browser.save_screenshot(str(screenshots / f"{name}.png"))
    (screenshots / f"{name}.html").write_text(browser.page_source, "utf-8")
    assert "Something went wrong" not in _text(browser)


def test_hostile_seeds_are_no_links_and_no_images_in_the_ui(ui: UserInterface, browser: Any, screenshots: Path) -> None:
    from selenium.webdriver.common.by import By

    browser.get(f"{ui.address}/{PAGES['5-seed_pairs']}")
    wait_for("the metadata", 120, lambda: "sample of seeds" in _text(browser), _NOT_YET)
    _click(browser, "the sample", "//tr[contains(., 'sample of seeds')]//*[contains(text(), 'Show')]")
    wait_for("the sample's text", 60, lambda: "Tell me about" in _text(browser), _NOT_YET)
    browser.save_screenshot(str(screenshots / "13-hostile-seeds.png"))
    assert [e.get_attribute("href") for e in browser.find_elements(By.XPATH, "//a[contains(@href, 'evil')]")] == []
    assert browser.find_elements(By.XPATH, "//img[contains(@src, 'evil') or @onerror]") == []


def test_the_link_on_the_assets_page_opens_the_report(ui: UserInterface, browser: Any, screenshots: Path) -> None:
    """A path without a host, so that it holds through any tunnel; the page asks for nothing and runs its own script."""
    from selenium.webdriver.common.by import By

    browser.get(f"{ui.address}/{PAGES['8-eval_report']}")
    link = "//a[@href='/reports/tr']"
    wait_for("the link", 120, lambda: browser.find_elements(By.XPATH, link), _NOT_YET)
    before = browser.window_handles
    _click(browser, "the link", link)
    opened = wait_for("the other tab", 60, lambda: [*{*browser.window_handles} - {*before}])
    browser.switch_to.window(opened[0])
    wait_for("the report", 60, lambda: "Turkish" in browser.title, _NOT_YET)
    browser.save_screenshot(str(screenshots / "14-report.png"))
    assert browser.current_url == f"{ui.address}/reports/tr"
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in asked if not name.startswith("data:")] == []
    assert browser.execute_script("return self.origin") == "null"
    browser.find_element(By.XPATH, "//a[contains(@href, 'index.html')]").click()
    wait_for("the overview", 60, lambda: browser.current_url == f"{ui.address}/reports/index.html", _NOT_YET)
    browser.close()
    browser.switch_to.window(before[0])
