"""The flights notebook, as who reads the README runs it: watched, loaded again, a helper edited, dark."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_graph import graph, node, serious_problems
from tests.browser.test_lab import badge, expect_badge, expect_stale, replace_text

_NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
_STEPS = ["load", "join", "features", "split", "linear", "boosted", "evaluate", "ablation", "report"]
_RUN_MS = 120_000


def test_the_flights_notebook_is_watched_loaded_again_and_edited(browser: Browser, lab: Lab) -> None:
    for name in ("flights.ipynb", "nyc_weather.py"):
        shutil.copy(_NOTEBOOKS / name, lab.folder)
    cells = json.loads((lab.folder / "flights.ipynb").read_text())["cells"]
    texts = {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}
    helpers, shown = [*texts].index("helpers"), [*texts].index("graph")
    assert "hours=3" in texts["helpers"]
    notebook = Notebook(browser, lab, "flights.ipynb")
    try:
        notebook.page.set_viewport_size({"width": 1400, "height": 9000})  # every cell is drawn
        notebook.run_all()
        expect_badge(notebook, "load", "running")
        expect_badge(notebook, "load", "succeeded")
        expect_badge(notebook, "features", "running")

        notebook.page.reload()
        expect_badge(notebook, "load", "succeeded")
        for step in _STEPS:
            expect(badge(notebook, step, "succeeded")).to_be_visible(timeout=_RUN_MS)
        # What the kernel showed of cells that were run before that went to a page that is gone.
        replace_text(notebook, shown, texts["graph"])
        for step in _STEPS:
            expect(node(graph(notebook, shown), step, "succeeded")).to_be_visible()
        expect_stale(notebook, set(), set())

        replace_text(notebook, helpers, texts["helpers"].replace("hours=3", "hours=2"))
        expect_stale(notebook, {"features"}, set(_STEPS[_STEPS.index("split") :]))
        expect(badge(notebook, "features")).to_contain_text("WINDOW")
        replace_text(notebook, helpers, texts["helpers"] + "\n# Nothing else.")
        expect_stale(notebook, set(), set())

        notebook.restart_and_run_all()
        for step in _STEPS:
            expect(badge(notebook, step, "reused")).to_be_visible(timeout=_RUN_MS)

        lab.set("apputils-extension", "themes", {"theme": "JupyterLab Dark"})
        notebook.page.reload()
        expect_badge(notebook, "report", "reused")
        expect(notebook.page.locator("body[data-jp-theme-light=false]")).to_be_attached()
        replace_text(notebook, shown, texts["graph"])
        expect(node(graph(notebook, shown), "report", "reused")).to_be_visible()
        for part in (".mlp", ".mlp-badge"):
            assert serious_problems(notebook.page, part) == []
    finally:
        lab.set("apputils-extension", "themes", {"theme": "JupyterLab Light"})
        notebook.close()
        lab.end_sessions()
