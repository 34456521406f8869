"""One JupyterLab server for all tests here, a browser for each file, a notebook and a kernel each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Lab, Notebook, find_chromium


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.end_sessions()
    server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # No longer: while it is there, no other event loop can run in this thread, which other tests may need.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(
    lab: Lab, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Callable[[Sequence[str]], Notebook]]:
    opened: list[Notebook] = []

    def start(cells: Sequence[str]) -> Notebook:
        name = lab.write(f"{request.node.name}-{len(opened)}.ipynb", cells)
        notebook = Notebook(browser, lab, name)
        opened.append(notebook)
        return notebook

    yield start
    for notebook in opened:
        notebook.close()
    lab.end_sessions()
