"""Each command is where users look for it: palette, menus, toolbar of a cell, keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.lab import Notebook
from tests.browser.test_commands import begin, line, said

Open = Callable[[Sequence[str]], Notebook]

_SCHEMA = Path(__file__).parents[2] / "labextension" / "schema" / "plugin.json"
_WAIT_MS = 60_000


def declared() -> dict[str, Any]:
    return dict(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def labels(page: Page, *, usable: bool = True) -> list[str]:
    """Return what the submenu that is open offers; only what can be used, where it is asked for."""
    items = page.locator(".lm-Menu").last.locator(".lm-Menu-item:not([data-type=separator])")
    items = items.locator(":scope:not(.lm-mod-disabled)") if usable else items
    return items.locator(".lm-Menu-itemLabel").all_inner_texts()


def open_pipeline_menu(page: Page) -> None:
    page.locator(".lm-Menu-itemLabel").get_by_text("Pipeline", exact=True).hover()
    expect(page.locator(".lm-Menu")).to_have_count(2)


def test_commands_are_reached_by_keys_menus_and_toolbar(open_notebook: Open) -> None:
    cells = [
        "%load_ext jupyter_mlpipe",
        "%%component one\nx = 1",
        "%%component two\ny = x",
        "%%component three\nz = y",
        "plain = z",
    ]
    notebook = begin(open_notebook, cells, 5)
    page = notebook.page
    everywhere = [item["command"] for item in declared()["jupyter.lab.shortcuts"]]
    page.evaluate(
        "window.executed = [];"
        "window.jupyterapp.commands.commandExecuted.connect((_, {id}) => window.executed.push(id))"
    )

    # In the toolbar of the active cell stands what can be used.
    for index, shown in ((3, {"run-step", "why"}), (0, {"to-component"})):
        notebook.cell(index).locator(".cm-content").click()
        for command in ("run-step", "why", "to-component"):
            button = notebook.cell(index).locator(f".jp-cell-toolbar [data-command='mlpipe:{command}']")
            expect(button).to_be_visible(visible=command in shown)
    notebook.cell(3).locator(".cm-content").click()
    notebook.cell(3).locator("[data-command='mlpipe:run-step']").click()
    expect(said(notebook, 3)).to_have_text("Nothing had to run: all is reused")

    # By key, each in a cell where it can be used.
    cell_of = {"mlpipe:to-component": 4, "mlpipe:open-graph": 1}
    for shortcut in declared()["jupyter.lab.shortcuts"]:
        command = shortcut["command"]
        if command == "mlpipe:revoke":  # what has not been accepted cannot be taken back
            continue
        notebook.prompt(cell_of.get(command, 2)).click()
        page.evaluate("window.executed = []")
        for keys in shortcut["keys"]:
            page.keyboard.press(keys.replace(" ", "+"))
        page.wait_for_function("id => window.executed.includes(id)", arg=command)
        if command == "mlpipe:to-component":
            expect(line(notebook, 4)).to_contain_text("%%component plain")
        if command == "mlpipe:to-plain":
            expect(line(notebook, 2)).to_have_text("y = x")
            notebook.cell(2).locator(".cm-content").click()
            page.keyboard.press("Control+z")  # or there would be no component any more
            expect(line(notebook, 2)).to_contain_text("%%component two")
    expect(page.locator(".mlp-graph-tab .mlp")).to_be_visible(timeout=_WAIT_MS)
    expect(page.get_by_role("region", name="step two")).to_be_visible()

    # In both menus: all of them, of which those can be used that make sense for the cell.
    notebook.open(notebook.name)
    notebook.cell(3).locator(".cm-content").click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    open_pipeline_menu(page)
    in_menu = labels(page, usable=False)
    assert len(in_menu) == len(everywhere)
    usable = labels(page)
    assert {"Run Step", "Run to Here", "Why?", "Go to Producer", "Show Step", "Open Graph"} <= {*usable}
    assert {"Turn Cell into Component", "Take Back Accepted Edit", "Go to Consumers"}.isdisjoint(usable)
    for _ in range(3):
        page.keyboard.press("Escape")

    # The menu of a cell is about that cell, be another one active.
    notebook.cell(0).locator(".cm-content").click()
    notebook.cell(3).locator(".cm-content").click(button="right")
    open_pipeline_menu(page)
    assert labels(page, usable=False) == in_menu
    page.locator(".lm-Menu-itemLabel").get_by_text("Why?", exact=True).click()
    expect(said(notebook, 3)).to_contain_text("three")
    expect(said(notebook, 0)).to_have_count(0)
    notebook.cell(3).locator(".cm-content").click(button="right")
    open_pipeline_menu(page)
    page.locator(".lm-Menu-itemLabel").get_by_text("Show Step", exact=True).click()
    expect(page.get_by_role("region", name="step three")).to_be_visible()
