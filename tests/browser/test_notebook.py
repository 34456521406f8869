"""What a user sees in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import nbformat
from playwright.sync_api import Browser, expect

from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.views import graph_bundle
from tests.browser.lab import Lab, Notebook

Open = Callable[[Sequence[str]], Notebook]

LOAD = "%load_ext jupyter_mlpipe\nimport pandas as pd\nimport matplotlib.pyplot as plt"


def test_cells_show_receipts_text_tables_and_figures_again_after_a_restart(open_notebook: Open) -> None:
    notebook = open_notebook(
        [
            LOAD,
            "%%component table\nprint('printed once')\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})\ndf",
            "%%component figure\nplt.plot(df['a'])\nplt.show()",
            "%pipeline show",
        ]
    )
    notebook.run_all()
    for status in ("succeeded", "reused"):
        notebook.receipt(1, status)
        notebook.receipt(2, status)
        notebook.wait_until_run(3)
        expect(notebook.outputs(1).filter(has_text="printed once")).to_have_count(1)
        expect(notebook.cell(1).locator("table.dataframe td").first).to_have_text("1")
        expect(notebook.cell(2).locator("img[src^='data:image/png']")).to_be_visible()
        for step in ("table", "figure"):
            expect(notebook.cell(3).locator(f"g[data-mlpipe-step={step}]")).to_have_attribute(
                "data-mlpipe-status", status
            )
        if status == "succeeded":
            notebook.restart_and_run_all()


def test_a_notebook_that_is_not_trusted_shows_the_picture(browser: Browser, lab: Lab) -> None:
    # JupyterLab takes drawings and styles out of its HTML, as GitHub does.
    steps = (StepSnapshot("one", status="succeeded"), StepSnapshot("two", status="failed"))
    name = lab.write("not-trusted.ipynb", ["%pipeline show"])
    written = nbformat.read(lab.folder / name, as_version=4)
    bundle = graph_bundle(RunSnapshot(steps, "failed"))
    written.cells[0].outputs = [nbformat.v4.new_output("display_data", data=bundle)]
    nbformat.write(written, lab.folder / name)
    notebook = Notebook(browser, lab, name)
    shown = notebook.outputs(0)
    expect(shown.locator("svg")).to_have_count(0)
    picture = shown.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    expect(shown).not_to_contain_text("display")
    notebook.close()
    lab.end_sessions()


def test_a_failed_step_stops_run_all_and_shows_the_line_of_its_cell(open_notebook: Open) -> None:
    notebook = open_notebook([LOAD, "%%component bad\nx = 1\ny = x / 0", "print('never')"])
    notebook.run_all()
    notebook.receipt(1, "failed")
    error = notebook.outputs(1).last
    expect(error).to_contain_text("Cell In[2], line 3")
    expect(error).to_contain_text("ZeroDivisionError: division by zero")
    expect(notebook.prompt(2)).to_have_text("[ ]:")
    expect(notebook.outputs(2)).to_have_count(0)


def test_interrupting_the_kernel_cancels_the_step(open_notebook: Open) -> None:
    notebook = open_notebook([LOAD, "%%component slow\nimport time\nprint('begun')\ntime.sleep(600)"])
    notebook.run_all()
    expect(notebook.outputs(1).filter(has_text="begun")).to_be_visible(timeout=60_000)
    notebook.command("Interrupt Kernel")
    notebook.receipt(1, "cancelled")
    expect(notebook.cell(1)).to_contain_text("KeyboardInterrupt")


def test_a_run_is_live_while_other_cells_run(open_notebook: Open) -> None:
    wait = "import os, time\nwhile not os.path.exists('go-{n}'):\n    time.sleep(0.05)\n"
    notebook = open_notebook(
        [
            LOAD + "\n%pipeline mode register",
            "%%component one\n" + wait.format(n=1) + "x = 1",
            "%%component two\n" + wait.format(n=2) + "y = x + 1",
            "run = %pipeline run",
            "open('go-1', 'w').close()\nrun.steps['two'].status",
            "open('go-2', 'w').close()\nrun.wait().status",
        ]
    )
    graph = notebook.cell(3)

    def state(step: str) -> str:
        return f"g[data-mlpipe-step={step}][data-mlpipe-status="

    for index in range(4):
        notebook.cell(index).locator(".cm-content").click()
        notebook.page.keyboard.press("Shift+Enter")
    expect(graph.locator(state("one") + "running]")).to_be_visible(timeout=60_000)
    notebook.page.keyboard.press("Shift+Enter")
    expect(graph.locator(state("one") + "succeeded]")).to_be_visible(timeout=60_000)
    expect(graph.locator(state("two") + "running]")).to_be_visible(timeout=60_000)
    notebook.page.keyboard.press("Shift+Enter")
    expect(graph.locator(state("two") + "succeeded]")).to_be_visible(timeout=60_000)
    expect(notebook.outputs(5)).to_contain_text("succeeded")


def test_tab_completes_options_and_names(open_notebook: Open) -> None:
    notebook = open_notebook([LOAD + "\nrows_of_mine = 3", "%%component fit"])
    notebook.cell(0).locator(".cm-content").click()
    notebook.page.keyboard.press("Shift+Enter")
    notebook.wait_until_run(0)
    notebook.cell(1).locator(".cm-content").click()
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.type(" --m")
    notebook.page.keyboard.press("Tab")
    expect(notebook.page.locator(".jp-Completer-item", has_text="--memory").first).to_be_visible()


def test_the_graph_is_shown_once_and_fits_the_page(open_notebook: Open) -> None:
    names = [f"a_step_with_a_long_name_{n}" for n in range(6)]
    parts = [f"%%component {name} --no-run\n{name}_result = {n}" for n, name in enumerate(names)]
    last = f"%%component last --no-run\ntotal = {' + '.join(f'{name}_result' for name in names)}"
    notebook = open_notebook([LOAD, *parts, last, "%pipeline show"])
    notebook.run_all()
    shown = len(parts) + 2
    nodes = notebook.outputs(shown).locator("svg g[data-mlpipe-plan]")
    expect(nodes).to_have_count(len(parts) + 1, timeout=60_000)
    expect(notebook.outputs(shown)).to_have_count(1)
    expect(notebook.outputs(shown).locator("img").filter(visible=True)).to_have_count(0)
    graph = notebook.outputs(shown).locator(".mlpipe").bounding_box()
    page = notebook.cell(shown).bounding_box()
    assert graph
    assert page
    assert graph["x"] + graph["width"] <= page["x"] + page["width"]
