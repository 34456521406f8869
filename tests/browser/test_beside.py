"""Beside Dask's own extension of JupyterLab: its cluster, started in its panel, runs our steps."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_lab import expect_badge

_WAIT_MS = 60_000


def test_steps_run_on_a_client_that_dask_labextension_has_injected(browser: Browser, tmp_path: Path) -> None:
    lab = Lab(tmp_path, beside=["dask-labextension"])
    cells = ["%load_ext jupyter_mlpipe", "%%component one\nx = 1", "%pipeline cluster client"]
    notebook = Notebook(browser, lab, lab.write("beside.ipynb", cells))
    page = notebook.page
    try:
        notebook.cell(0).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        notebook.wait_until_run(0)
        page.get_by_role("tab", name="Dask").first.click()
        panel = page.locator(".dask-DaskSidebar")
        expect(panel).to_be_visible()
        page.get_by_text("NEW", exact=True).click()
        cluster = page.locator(".dask-ClusterListingItem")
        expect(cluster).to_have_count(1, timeout=_WAIT_MS)
        notebook.cell(0).locator(".cm-content").click()
        cluster.get_by_title("Inject client").click()
        expect(notebook.cell(0)).to_contain_text("Client(")
        for index in (0, 3, 2):
            notebook.cell(index).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            notebook.wait_until_run(index)
        expect_badge(notebook, "one", "succeeded")
        notebook.command("Show Pipeline")
        expect(page.locator(".mlp-outline li[data-mlpipe-step=one]")).to_be_visible()
    finally:
        notebook.close()
        lab.end_sessions()
        lab.close()
