"""A slider that is a parameter: the graph follows as it moves, and steps run by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from playwright.sync_api import expect

from tests.browser.lab import Notebook
from tests.browser.test_graph import graph, node, serious_problems

Open = Callable[[Sequence[str]], Notebook]

_WAIT_MS = 60_000


def run(notebook: Notebook, index: int) -> None:
    """Run one cell and wait for it."""
    before = notebook.prompt(index).inner_text()
    notebook.cell(index).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+Enter")
    expect(notebook.prompt(index)).not_to_have_text(before, timeout=_WAIT_MS)
    notebook.wait_until_run(index)


def test_the_graph_and_the_cells_follow_a_slider(open_notebook: Open) -> None:
    cells = [
        "%load_ext jupyter_mlpipe",
        "%%parameters\nrate = 3",
        "%%component fit\nprint('fit with', rate)\nmodel = rate * 2",
        "%%component score\nauc = model + 1",
        "import ipywidgets as widgets, jupyter_mlpipe as mlpipe\n"
        "slider = widgets.IntSlider(min=0, max=9)\nmlpipe.bind('rate', slider)\nslider",
        "%pipeline show",
        "%pipeline auto on",
        "print('now', rate, model, auc)",
    ]
    notebook = open_notebook(cells)
    for index in range(6):
        run(notebook, index)
    shown = graph(notebook, 5)
    expect(node(shown, "score")).to_contain_text("ran")
    stale = shown.locator("[title='Run what no longer matches the notebook']")
    expect(stale).to_be_hidden()
    handle = notebook.cell(4).locator(".noUi-handle")
    handle.focus()
    for _ in range(2):
        handle.press("ArrowRight")
    expect(node(shown, "fit")).to_contain_text("now stale", timeout=_WAIT_MS)
    expect(node(shown, "score")).to_contain_text("may be stale")
    expect(stale).to_contain_text("Run 2 stale, about")
    assert serious_problems(notebook.page) == []
    stale.click()
    expect(stale).to_be_hidden(timeout=_WAIT_MS)
    expect(node(shown, "fit")).not_to_contain_text("stale")
    # The cell shows what was run by hand from the graph only when it is run again.
    expect(notebook.cell(2)).to_contain_text("fit with 3")

    run(notebook, 6)
    handle.focus()
    handle.press("ArrowRight")
    expect(node(shown, "score")).to_contain_text("ran by itself", timeout=_WAIT_MS)
    expect(notebook.cell(2)).to_contain_text("fit with 6")
    expect(notebook.cell(2)).to_contain_text("ran by itself")
    run(notebook, 7)
    expect(notebook.cell(7)).to_contain_text("now 6 12 13")

    # The other way round.
    run(notebook, 1)
    expect(notebook.cell(4).locator(".widget-readout")).to_have_text("3")
    expect(node(shown, "score")).not_to_contain_text("by itself", timeout=_WAIT_MS)


def test_what_asks_for_a_gpu_or_not_to_does_not_run_by_itself(open_notebook: Open) -> None:
    cells = [
        # A GPU by name: no step here touches it.
        "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'\n%load_ext jupyter_mlpipe",
        "%%parameters\nrate = 3",
        "%%component fit\nmodel = rate * 2",
        "%%component publish --no-auto\nlines = [model]",
        "%%component train --gpus 1\nweights = model + 1",
        "import ipywidgets as widgets, jupyter_mlpipe as mlpipe\n"
        "slider = widgets.IntSlider(min=0, max=9)\nmlpipe.bind('rate', slider)\nslider",
        "%pipeline show",
        "%pipeline auto on",
        "print('now', model, lines, weights)",
    ]
    notebook = open_notebook(cells)
    for index in range(8):
        run(notebook, index)
    shown = graph(notebook, 6)
    handle = notebook.cell(5).locator(".noUi-handle")
    handle.focus()
    handle.press("ArrowRight")
    expect(node(shown, "fit")).to_contain_text("ran by itself", timeout=_WAIT_MS)
    for index, step in ((3, "publish"), (4, "train")):
        expect(node(shown, step)).to_contain_text("now stale", timeout=_WAIT_MS)
        badge = notebook.cell(index).locator(".mlp-badge")
        expect(badge).to_have_attribute("data-mlpipe-stale", "true")
    run(notebook, 7)
    said = notebook.outputs(7)
    expect(said).to_contain_text("not by itself: publish (--no-auto)")
    expect(said).to_contain_text("not by itself: train (asks for a GPU)")
    # By hand all of it runs.
    shown.locator("[title='Run what no longer matches the notebook']").click()
    for step in ("publish", "train"):
        expect(node(shown, step)).not_to_contain_text("stale", timeout=_WAIT_MS)
    run(notebook, 8)
    expect(notebook.cell(8)).to_contain_text("now 8 [8] 9")
