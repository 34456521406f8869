"""Badges follow their cells as these are split, merged, deleted and brought back, whatever stands in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from playwright.sync_api import expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_graph import EVIL, serious_problems
from tests.browser.test_lab import complaints, outline, replace_text

__all__ = ["complaints"]

Open = Callable[[Sequence[str]], Notebook]

_WAIT_MS = 60_000
# What is done within half a second JupyterLab takes back as one operation.
_ONE_OPERATION_MS = 600


def expect_badges(notebook: Notebook, *steps: str) -> None:
    """Wait until each cell from the first on has the badge of its step, or none for ""; no other has one."""
    for index, step in enumerate(steps):
        found = notebook.cell(index).locator(".mlp-badge")
        if step:
            expect(found).to_have_attribute("data-mlpipe-step", step, timeout=_WAIT_MS)
        else:
            expect(found).to_have_count(0, timeout=_WAIT_MS)
    expect(notebook.page.locator(".mlp-badge")).to_have_count(sum(map(bool, steps)))
    expect(notebook.page.locator(".mlp-badged")).to_have_count(sum(map(bool, steps)))


def run(notebook: Notebook, index: int) -> None:
    notebook.cell(index).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+Enter")


def select(notebook: Notebook, index: int) -> None:
    """Make a cell the active one, to be worked on as a whole."""
    notebook.prompt(index).click()


def test_badges_follow_cells_as_they_are_edited(
    open_notebook: Open, complaints: Callable[[Notebook], list[str]]
) -> None:
    notebook = open_notebook(
        ["%load_ext jupyter_mlpipe", "%%component one\nx = 1\nw = 2", "%%component two\ny = x"]
    )
    heard = complaints(notebook)
    page = notebook.page
    notebook.command("Show Pipeline")
    for index in range(3):
        run(notebook, index)
    expect_badges(notebook, "", "one", "two")

    # Split: the last part keeps the cell's id, until the first one is run as the step.
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    notebook.command("Split Cell")
    expect(notebook.cell(2)).to_contain_text("w = 2")
    run(notebook, 1)
    expect_badges(notebook, "", "one", "", "two")
    run(notebook, 2)
    notebook.wait_until_run(2)
    run(notebook, 3)
    expect_badges(notebook, "", "one", "", "two")
    expect(outline(page)).to_have_count(2)

    # Merged, it is a new cell, which has not run yet.
    select(notebook, 1)
    page.keyboard.press("Shift+ArrowDown")
    notebook.command("Merge Selected Cells")
    expect(notebook.cell(1)).to_contain_text("w = 2")
    expect_badges(notebook, "", "", "two")
    run(notebook, 1)
    expect_badges(notebook, "", "one", "two")

    # Deleted and brought back, and deleted for good: the kernel hears of it with the next cell that runs.
    page.wait_for_timeout(_ONE_OPERATION_MS)
    select(notebook, 2)
    notebook.command("Delete Cell")
    expect_badges(notebook, "", "one")
    notebook.command("Undo Cell Operation")
    expect_badges(notebook, "", "one", "two")
    page.wait_for_timeout(_ONE_OPERATION_MS)
    select(notebook, 2)
    notebook.command("Delete Cell")
    run(notebook, 1)
    expect(outline(page)).to_have_count(1, timeout=_WAIT_MS)
    notebook.command("Undo Cell Operation")
    expect_badges(notebook, "", "one", "")
    run(notebook, 2)
    expect_badges(notebook, "", "one", "two")

    # Cut and pasted, copied, and turned into words.
    select(notebook, 2)
    notebook.command("Cut Cell")
    select(notebook, 0)
    notebook.command("Paste Cell Below")
    expect(notebook.cell(1)).to_contain_text("%%component two")
    run(notebook, 1)
    expect_badges(notebook, "", "two", "one")
    notebook.command("Copy Cell")
    notebook.command("Paste Cell Below")
    run(notebook, 2)
    expect_badges(notebook, "", "", "two", "one")
    select(notebook, 2)
    notebook.command("Change to Markdown Cell Type")
    expect(page.locator(".jp-MarkdownCell .mlp-badge")).to_have_count(0)
    assert heard == []


def test_names_and_mistakes_are_text_wherever_they_are_shown(
    open_notebook: Open, lab: Lab, complaints: Callable[[Notebook], list[str]]
) -> None:
    long = "n" * 1_000_000
    cells = [
        "%load_ext jupyter_mlpipe",
        f"%%component {EVIL}\nx = 1",
        f"%%component one --{EVIL} \x07\x1b[31m\nx = 1",
        f"%%component {long[:100_000]}\nx = 1",
        f"%pipeline {EVIL}",
        "%pipeline show\n%pipeline runs --limt 3",
        "%%component fine -> grün\ngrün = '𝒳' + missing",
        f"%%component long\n{long} = 1",
    ]
    notebook = open_notebook(cells)
    heard = complaints(notebook)
    page = notebook.page
    run(notebook, 0)
    flaw = "[data-mlpipe-flaw]"
    told = page.locator(".mlp-flaw-text")
    for index, text in (
        (1, "<img' cannot name a component"),
        (2, "Unknown option '--<img'"),
        (3, "has at most 200 characters"),
        (4, "%pipeline has no '<img'"),
        (5, "unrecognized arguments: --limt 3"),
    ):
        mistake = notebook.cell(index).locator(flaw).first
        expect(mistake).to_be_attached(timeout=_WAIT_MS)
        mistake.scroll_into_view_if_needed()
        mistake.hover(position={"x": 3, "y": 3})
        expect(told).to_contain_text(text)
        page.mouse.move(0, 0)
        expect(told).to_have_count(0)
    expect(notebook.cell(5).locator(flaw)).to_have_text("--limt 3")

    # What is run fails with words, and an output with a name without end is shown by its beginning.
    for index in (1, 3, 4):
        run(notebook, index)
        notebook.wait_until_run(index)
        expect(notebook.outputs(index).last).to_contain_text("UsageError")
    run(notebook, 7)
    badge = notebook.cell(7).locator(".mlp-badge")
    expect(badge).to_contain_text("nnn", timeout=_WAIT_MS)
    assert len(badge.inner_text()) < 1000
    badge.locator("button").click()
    panel = page.get_by_role("region", name="step long")
    expect(panel).to_contain_text("nnn")
    replace_text(notebook, 6, f"%%component fine\nraise ValueError({EVIL!r} + chr(7))")
    expect(notebook.cell(6).locator(".mlp-badge")).to_contain_text("<img src=x")
    notebook.command("Show Pipeline")
    expect(outline(page)).to_have_count(2)
    assert serious_problems(page, ".mlp-side") == []
    assert page.evaluate("window.hit") is None
    assert heard == []
