"""Which kernel a notebook has, and which notebooks a kernel has: each cell shows what its own kernel says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_commands import WAIT, do, said
from tests.browser.test_lab import complaints, outline, replace_text

__all__ = ["complaints"]

Open = Callable[[Sequence[str]], Notebook]

_WAIT_MS = 60_000
_LOAD = "%load_ext jupyter_mlpipe"


def badge(notebook: Notebook, step: str) -> Locator:
    """Return what points at the badge of a step in the notebook that is looked at, with all that it says."""
    return notebook.page.locator(
        f".jp-NotebookPanel:not(.lm-mod-hidden) .mlp-badge[data-mlpipe-step={step}] button"
    )


def expect_badge(notebook: Notebook, step: str, said: str) -> None:
    """Wait until a step has one badge in the notebook, which says something in its title."""
    expect(badge(notebook, step)).to_have_attribute("title", re.compile(said), timeout=_WAIT_MS)


def expect_badges(notebook: Notebook, n: int) -> None:
    shown = notebook.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .mlp-badge")
    expect(shown).to_have_count(n, timeout=_WAIT_MS)


def test_cells_show_what_the_kernel_of_their_notebook_says(
    open_notebook: Open, lab: Lab, complaints: Callable[[Notebook], list[str]]
) -> None:
    notebook = open_notebook(
        [_LOAD, "%%component one\nx = 1", "%%component two\ny = x", WAIT.format(name="k-goes-on")]
    )
    first = notebook.name
    heard = complaints(notebook)
    page = notebook.page
    lab.write("other.ipynb", [_LOAD, "%%component one\nx = 50"], prefix="d")
    lab.write("third.ipynb", ["%%component three\nz = x + 1"], prefix="e")

    def look_at(name: str) -> None:
        notebook.open(name)
        notebook.command("Show Pipeline")

    for index in range(3):
        notebook.cell(index).click()
        page.keyboard.press("Control+Enter")
    expect_badge(notebook, "two", "makes y, 1")

    # Each has a kernel of its own: a step of one is none of the other.
    look_at("other.ipynb")
    expect(page.locator(".mlp-side-none")).to_be_visible(timeout=_WAIT_MS)
    notebook.run_all()
    expect_badge(notebook, "one", "makes x, 50")
    expect_badges(notebook, 1)
    expect(outline(page)).to_have_count(1)
    look_at(first)
    expect_badge(notebook, "one", "makes x, 1")
    expect_badges(notebook, 2)
    expect(outline(page)).to_have_count(2)

    # Two notebooks on one kernel: the pipeline is one, a badge is on the cell that has run its step.
    look_at("third.ipynb")
    notebook.choose_kernel("other.ipynb")
    expect(outline(page)).to_have_count(1, timeout=_WAIT_MS)
    notebook.run_all()
    expect_badge(notebook, "three", "makes z, 51")
    expect_badges(notebook, 1)
    expect(outline(page)).to_have_count(2)
    look_at("other.ipynb")
    expect_badges(notebook, 1)
    replace_text(notebook, 1, "%%component one\nx = 60")
    expect_badge(notebook, "one", "makes x, 60")
    look_at("third.ipynb")
    expect_badge(notebook, "three", "now stale")

    # The one that was there first is closed: the other goes on.
    look_at("other.ipynb")
    notebook.command("Close Tab")
    page.get_by_role("button", name="Discard").click()
    look_at("third.ipynb")
    notebook.run_all()
    expect_badge(notebook, "three", "makes z, 61")
    do(notebook, 0, "Why?")
    expect(said(notebook, 0)).to_contain_text("input x")

    # To a kernel that knows nothing, and to one that knows other steps.
    notebook.choose_kernel("Python 3 (ipykernel)")
    expect_badges(notebook, 0)
    expect(page.locator(".mlp-side-none")).to_be_visible(timeout=_WAIT_MS)
    notebook.choose_kernel(first)
    expect(outline(page)).to_have_count(2, timeout=_WAIT_MS)
    expect_badges(notebook, 0)

    # A kernel that is restarted answers nothing that it was asked before, and knows no step until it is told.
    look_at(first)
    notebook.cell(3).click()
    page.keyboard.press("Control+Enter")
    do(notebook, 2, "Why?")
    expect(said(notebook, 2)).to_have_text("Starts when the kernel is free")
    notebook.command("Restart Kernel…")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    expect(said(notebook, 2, "failed")).to_have_text("The kernel is gone")
    expect_badges(notebook, 0)
    (lab.folder / "k-goes-on").touch()
    notebook.run_all()
    expect_badge(notebook, "two", "reused")
    expect_badges(notebook, 2)
    look_at("third.ipynb")
    expect_badges(notebook, 0)

    # So does one that dies, and is started again by the server.
    notebook.command("Close Tab")
    page.get_by_role("button", name="Discard").click()
    look_at(first)
    expect_badges(notebook, 2)
    replace_text(notebook, 3, "import os\nos._exit(1)")
    expect_badges(notebook, 0)
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    for index in range(3):
        notebook.cell(index).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
    expect_badge(notebook, "two", "reused")
    expect_badges(notebook, 2)
    assert heard == []


def test_copies_of_a_notebook_on_one_kernel_show_each_its_own_cells(
    open_notebook: Open, lab: Lab, complaints: Callable[[Notebook], list[str]]
) -> None:
    cells = [_LOAD, "%%component one\nx = 1", "%%component two\ny = x"]
    notebook = open_notebook(cells)
    first, page = notebook.name, notebook.page
    heard = complaints(notebook)
    notebook.run_all()
    expect_badges(notebook, 2)

    # The ids of its cells are the same; it has run nothing.
    lab.write("copy.ipynb", cells)
    notebook.open("copy.ipynb")
    notebook.command("Show Pipeline")
    notebook.choose_kernel(first)
    expect(outline(page)).to_have_count(2, timeout=_WAIT_MS)
    expect_badges(notebook, 0)

    # What it runs is its own from then on; a step of another name leaves the cell of the same id alone.
    replace_text(notebook, 2, "%%component three\nz = x + 1")
    expect_badge(notebook, "three", "makes z, 2")
    expect_badges(notebook, 1)
    expect(outline(page)).to_have_count(3)
    notebook.open(first)
    expect_badge(notebook, "two", "makes y, 1")
    expect_badges(notebook, 2)

    # Nor does a cell whose line is taken out, or that is deleted.
    notebook.open("copy.ipynb")
    replace_text(notebook, 1, "x")
    notebook.cell(1).locator(".jp-InputArea-prompt").click()
    page.keyboard.press("d")
    page.keyboard.press("d")
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect_badge(notebook, "three", "reused")
    expect_badges(notebook, 1)
    notebook.open(first)
    expect_badges(notebook, 2)

    # A step belongs to the cell that has run it last.
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect_badge(notebook, "one", "reused")
    expect_badges(notebook, 2)

    # So it is in a page that is loaded again.
    page.reload()
    notebook.open(first)
    expect_badges(notebook, 2)
    notebook.open("copy.ipynb")
    expect_badges(notebook, 1)
    expect_badge(notebook, "three", "makes z, 2")
    assert heard == []
