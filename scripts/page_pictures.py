"""Pictures of the page of `nas report` for the documentation, taken in Chromium.

    python scripts/page_pictures.py RUN --out docs/images

RUN is a search with a retrained network; chromium and chromedriver have to be installed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from nas.api.reports import write_report

_SIZE = "1200,1040"
_PICTURES = {
    # The name of each picture, the theme, and what is brought to the top of the window.
    "page.png": ("light", "#summary"),
    "page-candidate.png": ("dark", "#candidate"),
    "page-predictions.png": ("light", "#pictures-section"),
}


def main(arguments: Sequence[str]) -> None:
    """Takes every picture of one run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = write_report([options.run], Path(folder) / "report.html")
        browser = _chromium()
        try:
            browser.get(page.as_uri())
            WebDriverWait(browser, 60).until(
                lambda _: browser.find_elements(By.CSS_SELECTOR, "#front .main-svg")
            )
            _show_best(browser)
            for name, (theme, place) in _PICTURES.items():
                _turn(browser, theme)
                section = browser.find_element(By.CSS_SELECTOR, place)
                browser.execute_script("arguments[0].scrollIntoView()", section)
                browser.save_screenshot(str(options.out / name))
        finally:
            browser.quit()


def _chromium() -> webdriver.Chrome:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        sys.exit("page_pictures: chromium and chromedriver are needed.")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={_SIZE}")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def _show_best(browser: webdriver.Chrome) -> None:
    """Clicks the first candidate of the front in the table."""
    browser.find_element(By.ID, "only-front").click()
    browser.find_element(By.CSS_SELECTOR, "#table tbody tr").click()
    browser.find_element(By.ID, "only-front").click()


def _turn(browser: webdriver.Chrome, theme: str) -> None:
    if browser.execute_script("return document.documentElement.dataset.theme") != theme:
        browser.find_element(By.ID, "theme").click()


if __name__ == "__main__":
    main(sys.argv[1:])
