"""The commands on cells and our line in their text, as a user of JupyterLab meets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from playwright.sync_api import Locator, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_graph import serious_problems

Open = Callable[[Sequence[str]], Notebook]

_WAIT_MS = 60_000
WAIT = "import os, time\nwhile not os.path.exists({name!r}):\n    time.sleep(0.05)\n"


def begin(open_notebook: Open, cells: Sequence[str], n_run: int) -> Notebook:
    """Open a notebook and run its first cells, until the page knows of their steps."""
    notebook = open_notebook(cells)
    for index in range(n_run):
        notebook.cell(index).locator(".cm-content").click()
        notebook.page.keyboard.press("Shift+Enter")
        notebook.wait_until_run(index)
    expect(notebook.page.locator(".jp-Notebook.mlp-live")).to_be_visible(timeout=_WAIT_MS)
    return notebook


def do(notebook: Notebook, index: int, label: str) -> None:
    """Run a command from the palette on a cell."""
    notebook.cell(index).locator(".cm-content").click()
    notebook.command(label)


def said(notebook: Notebook, index: int, tone: str = "told") -> Locator:
    return notebook.cell(index).locator(f"[data-mlpipe-said={tone}] .mlp-said-text")


def line(notebook: Notebook, index: int) -> Locator:
    """Return the first line of a cell's text, with what is written into it in faint ink."""
    return notebook.cell(index).locator(".cm-line").first


def test_every_command_does_what_it_says(open_notebook: Open, lab: Lab) -> None:
    cells = [
        "%load_ext jupyter_mlpipe\nseed = 7",
        "%%component load\nprint('loading')\ndf = [3, 1, 2]",
        "%%component clean\ndf = sorted(df)",
        "%%component fit\nmodel = sum(df) + seed",
        "total = model + 1",
        "print(total)",
    ]
    notebook = begin(open_notebook, cells, 5)
    page = notebook.page

    # Of the step, below its cell.
    notebook.cell(3).locator(".cm-content").click()
    page.keyboard.press("Alt+p")
    page.keyboard.press("w")
    expect(said(notebook, 3)).to_contain_text("now it would be reused")
    do(notebook, 3, "Run Step")
    expect(said(notebook, 3)).to_have_text("Nothing had to run: all is reused")
    page.get_by_role("button", name="Close").click()
    expect(said(notebook, 3)).to_have_count(0)

    # An edit that is accepted before its cell has run, and taken back.
    notebook.cell(2).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" + []")
    do(notebook, 2, "Accept Edit as Unchanged")
    expect(said(notebook, 2)).to_contain_text("clean: accepted as unchanged: code changed")
    do(notebook, 3, "Run to Here")
    expect(said(notebook, 3)).to_have_text("Nothing had to run: all is reused")
    page.get_by_role("button", name="Take back").click()
    expect(said(notebook, 2)).to_have_text("clean: no longer accepted: code changed")
    do(notebook, 3, "Run Step")
    expect(said(notebook, 3, "failed")).to_contain_text("clean would have to run first")

    # Cells that were edited run first, the rest as a run; then the step alone, whatever is known.
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" + [5]")
    do(notebook, 3, "Run to Here")
    expect(notebook.prompt(1)).to_have_text("[6]:", timeout=_WAIT_MS)
    do(notebook, 5, "Run Selected Cell")
    expect(notebook.outputs(5)).to_have_text("14")
    do(notebook, 4, "Run Selected Cell")
    do(notebook, 5, "Run Selected Cell")
    expect(notebook.outputs(5)).to_have_text("19")
    do(notebook, 1, "Force Step")
    do(notebook, 1, "Why?")
    expect(said(notebook, 1)).to_contain_text("forced", timeout=_WAIT_MS)
    do(notebook, 1, "Run from Here")
    expect(said(notebook, 1)).to_have_text("Nothing had to run: all is reused")

    assert serious_problems(page, ".mlp-header, .mlp-said-line") == []

    # From cell to cell.
    active = page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
    do(notebook, 4, "Go to Producer")
    expect(active).to_contain_text("%%component fit")
    do(notebook, 1, "Go to Consumers")
    expect(active).to_contain_text("%%component clean")

    # The text, changed as one step that is undone by one.
    notebook.cell(4).locator(".cm-content").click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text="Pipeline").hover()
    page.locator(".lm-Menu-itemLabel", has_text="Turn Cell into Component").click()
    expect(line(notebook, 4)).to_contain_text("%%component total")
    page.keyboard.type("add")  # the name was selected
    expect(line(notebook, 4)).to_have_text("%%component addmodel → total")
    do(notebook, 4, "Lock Signature into Header")
    expect(line(notebook, 4)).to_have_text("%%component add(model) -> total")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+z")
    expect(line(notebook, 4)).to_have_text("%%component addmodel → total")
    do(notebook, 4, "Run Step")
    notebook.receipt(4, "succeeded")
    do(notebook, 4, "Turn Component into Plain Cell")
    expect(line(notebook, 4)).to_have_text("total = model + 1")
    do(notebook, 4, "Run Selected Cell")
    expect(page.locator(".jp-Notebook .mlp-live")).to_have_count(0)

    # The graph beside the notebook, which goes on living.
    do(notebook, 2, "Open Graph")
    graph = page.locator(".mlp-graph-tab .mlp")
    expect(graph.locator("g[data-mlpipe-step=fit]")).to_be_visible(timeout=_WAIT_MS)
    expect(graph.locator("g[data-mlpipe-step=add]")).to_have_count(0)


def test_the_first_component_of_a_notebook_takes_a_click(open_notebook: Open) -> None:
    notebook = open_notebook(["x = sum([1, 2])"])
    do(notebook, 0, "Turn Cell into Component")
    expect(said(notebook, 0, "failed")).to_contain_text("does not know jupyter_mlpipe yet")
    notebook.page.get_by_role("button", name="Load it").click()
    expect(line(notebook, 0)).to_have_text("%load_ext jupyter_mlpipe")
    expect(line(notebook, 1)).to_contain_text("%%component sum_x", timeout=_WAIT_MS)


def test_a_busy_kernel_is_asked_to_run_and_says_when(open_notebook: Open, lab: Lab) -> None:
    cells = [
        "%load_ext jupyter_mlpipe",
        "%%component one\nx = 1",
        "%%component two\ny = x",
        WAIT.format(name="goes-on"),
        "later = [",
    ]
    notebook = begin(open_notebook, cells, 3)
    notebook.cell(3).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+Enter")
    expect(notebook.prompt(3)).to_have_text("[*]:")
    do(notebook, 2, "Force Step")
    expect(said(notebook, 2)).to_have_text("Starts when the kernel is free")
    # A text needs no free kernel.
    do(notebook, 1, "Lock Signature into Header")
    expect(line(notebook, 1)).to_have_text("%%component one() -> x")
    do(notebook, 4, "Turn Cell into Component")
    expect(line(notebook, 4)).to_contain_text("%%component step")
    expect(said(notebook, 4)).to_contain_text("is not Python that can be read")
    (lab.folder / "goes-on").touch()
    expect(said(notebook, 2)).to_have_count(0, timeout=_WAIT_MS)
    do(notebook, 2, "Why?")
    expect(said(notebook, 2)).to_contain_text("forced", timeout=_WAIT_MS)


def test_a_header_is_coloured_checked_and_explained_while_it_is_typed(open_notebook: Open, lab: Lab) -> None:
    cells = [
        "%load_ext jupyter_mlpipe\nseed = 7",
        "%%component load\ndf = [3, 1, 2]",
        "%%component fit(df) -> model --cpus 1\nmodel = df",
        "%%component use\nsize = len(model) + seed",
        "plain = 1",
    ]
    notebook = begin(open_notebook, cells, 2)
    page = notebook.page
    for part, kind in [
        ("fit", "name"),
        ("df", "input"),
        ("model", "output"),
        ("--cpus", "option"),
        ("1", "value"),
    ]:
        expect(notebook.cell(2).locator(f".mlp-token-{kind}").first).to_have_text(part)
    expect(line(notebook, 1)).to_have_text("%%component load→ df")
    expect(line(notebook, 3)).to_have_text("%%component usemodel?, seed → size")

    # What nothing provides yet is provided by running its cell.
    notebook.cell(2).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(line(notebook, 3)).to_have_text("%%component usemodel, seed → size", timeout=_WAIT_MS)

    # What is inferred stays behind what is typed.
    notebook.cell(3).locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("End")
    page.keyboard.type(" --cpus 1")
    expect(line(notebook, 3)).to_have_text("%%component use --cpus 1model, seed → size")

    # A mistake is underlined, explained to the mouse and to the keyboard, and gone when it is mended.
    content = notebook.cell(2).locator(".cm-content")
    content.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("End")
    page.keyboard.type(" --memry 1GB")
    flaw = notebook.cell(2).locator("[data-mlpipe-flaw=error]")
    expect(flaw).to_have_text("--memry", timeout=_WAIT_MS)
    page.keyboard.press("ArrowLeft")
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    told = page.locator(".mlp-flaw-text")
    expect(told).to_contain_text("Did you mean '--memory'")
    page.keyboard.press("Home")
    expect(told).to_have_count(0)
    flaw.hover()
    expect(told).to_contain_text("Did you mean '--memory'")
    page.keyboard.press("End")
    for _ in range(len("ry 1GB")):
        page.keyboard.press("Backspace")
    page.keyboard.press("Tab")
    page.locator(".jp-Completer-item", has_text="--memory").first.wait_for()
    page.keyboard.press("Enter")
    page.keyboard.type(" 1GB")
    expect(flaw).to_have_count(0, timeout=_WAIT_MS)
    page.keyboard.press("Control+End")
    page.keyboard.type("\nmodel += [seed]")
    expect(flaw).to_have_text("seed", timeout=_WAIT_MS)

    # Nothing of it without a kernel, and in cells without our line.
    expect(notebook.cell(4).locator(".mlp-token, .mlp-inferred, .mlp-flaw")).to_have_count(0)
    lab.end_sessions()
    page.reload()
    expect(notebook.cell(2).locator(".mlp-token-name")).to_have_text("fit", timeout=_WAIT_MS)
    expect(notebook.cell(3).locator(".mlp-inferred")).to_have_count(0)
