"""What a user sees in Notebook 7, which shows one notebook a page and has no palette of tabs."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_graph import graph, node
from tests.browser.test_lab import badge, expect_badge, replace_text, serious_problems

_WAIT_MS = 60_000


def test_graph_badges_and_panels_work_in_notebook_7(browser: Browser, lab: Lab) -> None:
    cells = [
        "%load_ext jupyter_mlpipe",
        "def double(x): return 2 * x",
        "%%component one\nprint('begun')\nx = double(1)",
        "%%component two\ny = x + 1",
        "%pipeline show",
    ]
    notebook = Notebook(browser, lab, lab.write("seven.ipynb", cells), app="notebooks")
    page = notebook.page
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        for index in range(len(cells)):
            notebook.cell(index).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            notebook.wait_until_run(index)
        shown = graph(notebook, 4)
        expect(node(shown, "two", "succeeded")).to_be_visible(timeout=_WAIT_MS)
        node(shown, "one").click()
        expect(shown.get_by_role("region", name="step one").locator(".mlp-log")).to_have_text("begun\n")
        page.keyboard.press("Escape")
        expect_badge(notebook, "one", "succeeded")
        # What is stale is so in the graph and on the cells at once.
        replace_text(notebook, 1, "def double(x): return 3 * x")
        for step in ("one", "two"):
            expect(badge(notebook, step)).to_have_attribute("data-mlpipe-stale", "true", timeout=_WAIT_MS)
        shown.get_by_role("button", name="Run 2 stale").click()
        expect_badge(notebook, "two", "succeeded")
        # A badge opens its step's panel beside the notebook.
        badge(notebook, "two").locator("button").click()
        panel = page.locator(".mlp-aside").get_by_role("region", name="step two")
        expect(panel).to_be_visible(timeout=_WAIT_MS)
        expect(panel).to_contain_text("y = x + 1")
        assert serious_problems(page, ".mlp-aside") == []
        assert complaints == []
    finally:
        notebook.close()
        lab.end_sessions()
