"""Make notebooks/flights.png: the flights notebook in JupyterLab with its graph beside it; and its timeline.

``python -m tests.browser.screenshot [--theme dark] [--output FILE]``, from the project's root. The
notebook is run twice in a fresh folder, the second time with another learning rate, so that the
picture shows steps that were reused and steps that ran.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.lab import Lab, Notebook, find_chromium

_NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_RUN_MS = 300_000
_EDITED = "learning_rate: Annotated[float, Gt(0), Le(1)] = 0.05"


def main() -> None:
    """Run the notebook and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--theme", choices=_THEMES, default="light")
    parser.add_argument("--output", type=Path, default=_NOTEBOOKS / "flights.png")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            (folder / part.lower()).mkdir()
            os.environ[part] = str(folder / part.lower())
        root = folder / "notebooks"
        root.mkdir()
        for file in ("flights.ipynb", "nyc_weather.py"):
            shutil.copy(_NOTEBOOKS / file, root)
        lab = Lab(root)
        theme = root / "lab-settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
        theme.write_text(json.dumps({"theme": _THEMES[asked.theme]}))
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_chromium())
                _take(browser, lab, asked.output)
                browser.close()
        finally:
            lab.end_sessions()
            lab.close()


def _run(browser: Browser, lab: Lab) -> Notebook:
    """Open the notebook and run all its cells."""
    notebook = Notebook(browser, lab, "flights.ipynb")
    notebook.page.set_viewport_size({"width": 1560, "height": 840})
    notebook.command("Clear Outputs of All Cells")
    notebook.run_all()
    last = notebook.page.locator(".jp-Notebook .jp-CodeCell").count() - 1
    expect(notebook.prompt(last)).to_have_text(f"[{last + 1}]:", timeout=_RUN_MS)
    return notebook


def _move_right(page: Page) -> None:
    """Drag the view of the graph from below the notebook to its right."""
    tab = page.locator(".lm-TabBar-tab", has_text="Output View").bounding_box()
    panel = page.locator(".jp-NotebookPanel").bounding_box()
    assert tab
    assert panel
    page.mouse.move(tab["x"] + 30, tab["y"] + tab["height"] / 2)
    page.mouse.down()
    page.mouse.move(panel["x"] + panel["width"] - 20, panel["y"] + panel["height"] / 2, steps=12)
    page.mouse.up()


def _take(browser: Browser, lab: Lab, target: Path) -> None:
    _run(browser, lab).close()
    lab.end_sessions()
    path = lab.folder / "flights.ipynb"
    text = path.read_text(encoding="utf-8")
    edited = text.replace("learning_rate: Annotated[float, Gt(0), Le(1)] = 0.1", _EDITED)
    assert edited != text
    path.write_text(edited, encoding="utf-8")
    notebook = _run(browser, lab)
    page = notebook.page
    last = notebook.page.locator(".jp-Notebook .jp-CodeCell").count() - 1

    graph = notebook.outputs(last - 1)
    graph.scroll_into_view_if_needed()
    graph.click(button="right")
    page.get_by_role("menuitem", name="Create New View for Cell Output").click()
    expect(page.locator(".jp-LinkedOutputView svg.mlpipe-graph")).to_be_visible()
    page.keyboard.press("Control+b")  # the file browser away
    _move_right(page)
    load = page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    load.scroll_into_view_if_needed()
    load.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    expect(page.locator(".jp-NotebookPanel [data-mlpipe-step=load]").first).to_be_visible()
    page.screenshot(path=target)

    graph.scroll_into_view_if_needed()
    live = graph.locator(".mlp")
    live.get_by_role("tab", name="Timeline").click()
    expect(live.locator(".mlp-path")).to_contain_text("of")
    live.screenshot(path=target.with_name(f"{target.stem}-timeline.png"))
    notebook.close()


if __name__ == "__main__":
    main()
