"""The page in Chromium; skipped where there is none."""

from __future__ import annotations

import copy
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nas.report.page.document import document, write_page
from nas.report.page.server import VALUES, address, make_server

webdriver = pytest.importorskip("selenium.webdriver")
By = pytest.importorskip("selenium.webdriver.common.by").By
actions = pytest.importorskip("selenium.webdriver.common.actions.action_builder")
waits = pytest.importorskip("selenium.webdriver.support.ui")

_BROWSER, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    _BROWSER is None or _DRIVER is None, reason="no chromium and chromedriver"
)
_ALONE = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--window-size=1200,900"),
)

_PLACE = """
const plot = document.getElementById("front"), box = plot.getBoundingClientRect();
const { xaxis, yaxis } = plot._fullLayout;
return [box.left + xaxis._offset + xaxis.d2p(arguments[0]),
        box.top + yaxis._offset + yaxis.d2p(arguments[1])];
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = _BROWSER
    for argument in _ALONE:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(_DRIVER))
    yield browser
    browser.quit()


@pytest.fixture
def opened(chromium, tmp_path) -> Callable[[dict[str, Any]], Any]:
    def open_page(values: dict[str, Any]) -> Any:
        path = tmp_path / "report.html"
        write_page(path, document("run", values))
        chromium.get(path.as_uri())
        # One plot is drawn: the page is there.
        _until(chromium, lambda: chromium.find_elements(By.CSS_SELECTOR, "#front .main-svg"))
        return chromium

    return open_page


def _until(browser: Any, holds: Callable[[], Any]) -> Any:
    return waits.WebDriverWait(browser, 60).until(lambda _: holds())


def _rows(browser: Any) -> list[str]:
    # In one step: the rows of a page that follows a search come and go.
    return browser.execute_script(
        "return [...document.querySelectorAll('#table tbody tr')]"
        ".map((row) => row.cells[0].innerText)"
    )


def _trial(values: dict[str, Any]) -> dict[str, Any]:
    return next(trial for trial in values["runs"][0]["trials"] if trial["counts"])


def _complaints(browser: Any) -> list[str]:
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_a_click_on_a_row_shows_the_candidate_and_its_drawing(opened, page_values) -> None:
    browser = opened(page_values)
    browser.find_element(By.CSS_SELECTOR, "#table tbody tr").click()
    title = browser.find_element(By.ID, "candidate-title").text
    assert title == f"Trial {_rows(browser)[0]}"
    assert browser.find_elements(By.CSS_SELECTOR, "#candidate-drawing svg rect")
    assert _complaints(browser) == []


def test_the_header_hides_no_heading_that_is_scrolled_to(opened, page_values) -> None:
    browser = opened(page_values)
    browser.find_element(By.CSS_SELECTOR, "#table tbody tr").click()
    heading, header = browser.execute_script(
        "document.getElementById('candidate').scrollIntoView();"
        "return ['candidate-title', 'title'].map((id) =>"
        " document.getElementById(id).getBoundingClientRect().top)"
    )
    assert heading > header + 30


def test_a_click_on_a_heading_sorts_and_another_turns_the_order(opened, page_values) -> None:
    browser = opened(page_values)

    def click() -> list[str]:
        browser.find_element(By.CSS_SELECTOR, "#table thead th").click()
        return _rows(browser)

    down = click()
    assert down == sorted(down, key=int, reverse=True)
    assert click() == down[::-1]


def test_the_filter_compares_figures_with_their_prefixes(opened, page_values) -> None:
    values = copy.deepcopy(page_values)
    trials = values["runs"][0]["trials"]
    for number, trial in enumerate(trials):
        trial["costs"]["params"] = 100_000.0 * (number + 1)
    browser = opened(values)
    browser.find_element(By.ID, "filter").send_keys("params<250K")
    assert sorted(_rows(browser), key=int) == [str(trial["trial"]) for trial in trials[:2]]


@pytest.mark.parametrize("cost", ["flops", "params"])
def test_the_front_is_what_no_candidate_beats(opened, page_values, cost) -> None:
    values = copy.deepcopy(page_values)
    shown = values["runs"][0]["trials"]
    # Neither of two equal ones beats the other.
    best = max(shown, key=lambda trial: trial["quality"] or 0)
    shown.append({**best, "trial": len(shown)})
    browser = opened({**values, "cost": cost})
    browser.execute_script("page.cost = arguments[0]; draw()", cost)
    browser.find_element(By.ID, "only-front").click()
    trials = [trial for trial in shown if trial["counts"]]
    points = {one["trial"]: (one["quality"], -one["costs"][cost]) for one in trials}
    unbeaten = [
        str(number)
        for number, point in points.items()
        if not any(
            other != point and other[0] >= point[0] and other[1] >= point[1]
            for other in points.values()
        )
    ]
    assert sorted(_rows(browser)) == sorted(unbeaten)


def test_a_hover_tells_a_candidate(opened, page_values) -> None:
    browser = opened(page_values)
    trial = max(page_values["runs"][0]["trials"], key=lambda trial: trial["quality"] or 0)
    left, top = browser.execute_script(_PLACE, trial["costs"]["flops"], trial["quality"])
    pointer = actions.ActionBuilder(browser)
    pointer.pointer_action.move_to_location(round(left), round(top))
    pointer.perform()
    label = _until(
        browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#front .hoverlayer .hovertext")
    )[0]
    assert f"trial {trial['trial']}" in label.text
    assert f"quality {trial['quality']:.4f}" in label.text


def test_names_are_text_and_nothing_else(opened, page_values) -> None:
    values = copy.deepcopy(page_values)
    name = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>$x^$"
    run = values["runs"][0]
    run["name"] = run["path"] = name
    trial = _trial(values)
    trial["genotype"] = trial["state"] = name
    trial["scores"] = {"f1": {name: 0.5}}
    browser = opened(values)
    browser.find_element(By.CSS_SELECTOR, "#table tbody tr").click()
    for section in browser.find_elements(By.CSS_SELECTOR, "section"):
        browser.execute_script("arguments[0].scrollIntoView()", section)
    assert browser.execute_script("return window.broken") is None
    assert browser.find_element(By.ID, "title").text == name
    assert browser.find_elements(By.CSS_SELECTOR, "main img") == []


def test_the_theme_can_be_turned(opened, page_values) -> None:
    browser = opened(page_values)

    def theme() -> str:
        return browser.execute_script("return document.documentElement.dataset.theme")

    before = theme()
    browser.find_element(By.ID, "theme").click()
    assert {before, theme()} == {"light", "dark"}


def test_a_thousand_candidates_are_listed(opened, page_values) -> None:
    values = copy.deepcopy(page_values)
    run = values["runs"][0]
    model = _trial(values)
    run["trials"] = [{**copy.deepcopy(model), "trial": number} for number in range(1000)]
    browser = opened(values)
    assert browser.find_element(By.ID, "count").text == "1000 of 1000"


def test_a_search_that_has_just_begun_says_so(opened, page_values) -> None:
    values = copy.deepcopy(page_values)
    values["runs"][0].update(trials=[], course={}, rungs=[], retrained=[])
    browser = opened(values)
    assert browser.find_element(By.ID, "volume-meaning").text == "No candidate is finished yet."
    assert _complaints(browser) == []


def test_the_page_of_a_running_search_follows_it(chromium, page_values) -> None:
    earlier = copy.deepcopy(page_values)
    earlier["runs"][0]["trials"] = earlier["runs"][0]["trials"][:1]
    now = earlier

    with make_server(document("run", None, VALUES), lambda: json.dumps(now)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            chromium.get(address(server))
            _until(chromium, lambda: len(_rows(chromium)) == 1)
            now = page_values
            _until(chromium, lambda: len(_rows(chromium)) == len(page_values["runs"][0]["trials"]))
        finally:
            server.shutdown()


def test_the_page_asks_for_nothing_elsewhere(opened, page_values) -> None:
    browser = opened(page_values)
    asked = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert browser.execute_script(asked) == []
