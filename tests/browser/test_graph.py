"""The live graph, as a user of JupyterLab sees and works it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.graphfacts import graph_facts
from jupyter_mlpipe.notebook.show.link import module_text
from jupyter_mlpipe.notebook.show.views import kept_svg
from tests.browser.lab import Lab, Notebook

Open = Callable[[Sequence[str]], Notebook]

LOAD = "%load_ext jupyter_mlpipe\n%pipeline mode register"
AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
EVIL = "<img src=x onerror='window.hit = 1'></script><script>window.hit = 1</script>"
_WAIT_MS = 60_000


def wait(name: str) -> str:
    return f"import os, time\nwhile not os.path.exists('{name}'):\n    time.sleep(0.05)\n"


def graph(notebook: Notebook, index: int) -> Locator:
    """Wait for the live graph of a cell."""
    found = notebook.cell(index).locator(".mlp")
    expect(found).to_be_visible(timeout=_WAIT_MS)
    return found


def node(graph: Locator, step: str, status: str = "") -> Locator:
    of_status = f"[data-mlpipe-status={status}]" if status else ""
    return graph.locator(f"g[data-mlpipe-step={step}]{of_status}")


def save(page: Page) -> None:
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-NotebookPanel .jp-mod-dirty, .lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)


def serious_problems(page: Page, within: str = ".mlp") -> list[str]:
    """Return what axe-core finds in the graph, or elsewhere; nothing where it has not been installed."""
    if not AXE.exists():
        return []
    page.add_script_tag(path=AXE)
    found = page.evaluate("within => axe.run(within).then(found => found.violations)", within)
    return [problem["id"] for problem in found if problem["impact"] in ("serious", "critical")]


def test_a_step_is_watched_looked_at_and_stopped_while_the_kernel_is_busy(
    open_notebook: Open, lab: Lab
) -> None:
    cells = [
        LOAD,
        "%%component one\nprint('begun')\n" + wait("step-goes-on") + "print('more')\nx = 1",
        "%%component two\ny = x\nsum(iter(int, 1))",  # holds the GIL, and hears no signal
        "run = %pipeline run",
        wait("cell-goes-on"),
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    shown = graph(notebook, 3)
    expect(node(shown, "one", "running")).to_be_visible(timeout=_WAIT_MS)
    expect(node(shown, "one")).to_contain_text("▶ running")
    node(shown, "one").click()
    panel = shown.get_by_role("region", name="step one")
    expect(panel.locator(".mlp-log")).to_have_text("begun\n")
    expect(panel).to_contain_text("%%component one")
    (lab.folder / "step-goes-on").touch()
    expect(panel.locator(".mlp-log")).to_have_text("begun\nmore\n")
    expect(node(shown, "two", "running")).to_be_visible(timeout=_WAIT_MS)
    expect(panel).to_contain_text("ran")
    shown.get_by_role("button", name="Run from here").click()
    expect(shown.locator(".mlp-said")).to_have_text("Starts when the kernel is free")
    shown.get_by_role("button", name="Stop").click()
    expect(node(shown, "two", "cancelled")).to_be_visible(timeout=_WAIT_MS)
    expect(notebook.prompt(4)).to_have_text("[*]:")
    (lab.folder / "cell-goes-on").touch()
    # Heard before, the run starts now.
    expect(node(shown, "two", "running")).to_be_visible(timeout=_WAIT_MS)
    shown.get_by_role("button", name="Stop").click()
    expect(node(shown, "two", "cancelled")).to_be_visible(timeout=_WAIT_MS)


def save_last_picture(page: Page, lab: Lab, step: str) -> None:
    """Save the notebook until its picture is the one after the run: that of a quick run comes soon after."""
    kept = rf"data-mlpipe-step=\"{step}\" data-mlpipe-status=\"succeeded\""
    deadline = time.monotonic() + _WAIT_MS / 1000
    while not any(kept in path.read_text() for path in lab.folder.glob("*.ipynb")):
        assert time.monotonic() < deadline, "no picture of the run that has ended"
        save(page)


def test_the_keyboard_is_enough_and_a_page_loaded_again_shows_the_same(open_notebook: Open, lab: Lab) -> None:
    cells = [
        LOAD,
        "%%component one\nx = 1",
        f"%%component two(x, a: str = {EVIL!r})\nprint(a)\nprint('</script>\\x00\\x1b[31m')\ny = x, a",
        "run = %pipeline run\nrun.wait().status",
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    page = notebook.page
    shown = graph(notebook, 3)
    expect(node(shown, "two", "succeeded")).to_be_visible(timeout=_WAIT_MS)
    node(shown, "one").focus()
    page.keyboard.press("ArrowDown")
    expect(node(shown, "two")).to_be_focused()
    for told in ("two ✓ ran ", "new", "on local", "y: "):
        expect(shown.get_by_role("tooltip")).to_contain_text(told)
    page.keyboard.press("Enter")
    panel = shown.get_by_role("region", name="step two")
    expect(panel.locator(".mlp-log")).to_contain_text(EVIL)
    page.keyboard.press("Escape")
    expect(node(shown, "two")).to_be_focused()
    assert serious_problems(page) == []
    save_last_picture(page, lab, "two")

    page.reload()
    shown = graph(notebook, 3)
    expect(node(shown, "two", "succeeded")).to_be_visible(timeout=_WAIT_MS)
    node(shown, "two").click()
    expect(shown.get_by_role("region", name="step two").locator(".mlp-log")).to_contain_text(EVIL)
    assert page.evaluate("window.hit") is None

    lab.end_sessions()
    page.reload()
    picture = notebook.cell(3).locator(".mlpipe-picture svg")
    expect(picture.locator("g[data-mlpipe-step=two]")).to_contain_text("✓ ran", timeout=_WAIT_MS)
    expect(notebook.cell(3)).not_to_contain_text("model not found")
    assert page.evaluate("window.hit") is None


MANY = """
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.extension import current_session
from jupyter_mlpipe.notebook.show.live import LiveGraph
from jupyter_mlpipe.notebook.show.output import CellOutput

def step(n):
    reads = {f"o{above}": f"s{above}" for above in (n - 25, n - 32) if above >= 0}
    return StepSnapshot(f"s{n}", plan="run", reads=reads)

session = current_session()
graph = LiveGraph(CellOutput(session.shell), session.link, cell_id="c1")
_ = graph.begin([], RunSnapshot(tuple(step(n) for n in range(1000))))
"""


def test_a_large_graph_is_searched_and_seen_as_a_whole(open_notebook: Open) -> None:
    notebook = open_notebook([LOAD, MANY])
    notebook.run_all()
    shown = graph(notebook, 1)
    expect(shown.locator(".mlp-minimap")).to_be_visible()
    field = shown.get_by_role("searchbox")
    field.fill("s999")
    field.press("Enter")
    expect(node(shown, "s999")).to_be_focused()
    expect(node(shown, "s999")).to_be_in_viewport()
    expect(node(shown, "s0")).not_to_be_in_viewport()
    page = notebook.page
    page.keyboard.press("0")
    expect(shown.locator(".mlp-minimap")).to_be_hidden()
    expect(node(shown, "s0")).to_be_in_viewport()

    # With a mouse: zoomed where it points, dragged, and gone to in the small picture.
    sheet = shown.locator(".mlp-sheet")

    def scale() -> float:
        return float(sheet.evaluate("sheet => new DOMMatrix(getComputedStyle(sheet).transform).a"))

    def left() -> float:
        return float(sheet.evaluate("sheet => new DOMMatrix(getComputedStyle(sheet).transform).e"))

    at = shown.locator(".mlp-stage").bounding_box()
    assert at is not None
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    page.mouse.move(x, y)
    fitted = scale()
    page.keyboard.down("Control")
    for _ in range(20):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(shown.locator(".mlp-minimap")).to_be_visible()
    assert scale() > fitted
    before = left()
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.up()
    assert left() == pytest.approx(before + 40)
    expect(shown.get_by_role("region")).to_have_count(0)  # a drag is no click
    expect(node(shown, "s0")).not_to_be_in_viewport()
    mark = shown.locator(".mlp-mark").first.bounding_box()
    assert mark is not None
    page.mouse.click(mark["x"], mark["y"])
    expect(node(shown, "s0")).to_be_in_viewport()


def test_when_steps_ran_what_earlier_runs_gave_and_groups(open_notebook: Open, lab: Lab) -> None:
    cells = [
        LOAD + "\nimport jupyter_mlpipe as mlpipe",
        "%%parameters\nrate = 0.25",
        "%%component load --group data\nx = 1",
        "%%component clean --group data\ny = x",
        "%%component fit\nmlpipe.log_metric('auc', 0.5 + rate)\nmodel = x + rate",
        "%%component wait\n" + wait("timeline-goes-on") + "z = model",
        "pipeline = mlpipe.current()\n"
        "for rate in (0.25, 0.5):\n    pipeline.run(targets=['fit'], params={'rate': rate}).wait()",
        "run = %pipeline run",
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    page = notebook.page
    shown = graph(notebook, 7)
    shown.get_by_role("tab", name="Timeline").click()
    row = shown.locator(".mlp-row")
    waiting = row.and_(page.locator("[data-mlpipe-step=wait][data-mlpipe-status=running]"))
    expect(waiting).to_be_visible(timeout=_WAIT_MS)
    width = waiting.locator(".mlp-ran").evaluate("bar => bar.getBoundingClientRect().width")
    expect(waiting).to_contain_text("▶ running")
    # It grows by itself: nothing changes in the kernel.
    page.wait_for_function(
        "([bar, width]) => bar.getBoundingClientRect().width > width",
        arg=[waiting.locator(".mlp-ran").element_handle(), width],
    )
    (lab.folder / "timeline-goes-on").touch()
    expect(shown.locator(".mlp-path")).to_contain_text("wait:", timeout=_WAIT_MS)
    # Where users force their colours, what took the time still stands out.
    page.emulate_media(forced_colors="active")
    expect(row.and_(page.locator(".mlp-critical")).locator(".mlp-ran").first).to_have_css(
        "background-color", "rgb(46, 139, 54)"
    )
    assert serious_problems(page) == []
    page.emulate_media(forced_colors="none")
    # In a narrow page all that is said of the run can be read.
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": 640, "height": size["height"]})
    page.wait_for_function(
        "words => getComputedStyle(words).whiteSpace === 'normal' && words.scrollWidth <= words.clientWidth",
        arg=shown.locator(".mlp-run").element_handle(),
    )
    expect(row.first.locator(".mlp-row-text")).to_be_visible()
    page.set_viewport_size(size)
    row.first.focus()
    page.keyboard.press("ArrowDown")
    expect(shown.locator(".mlp-timeline").get_by_role("tooltip")).to_be_visible()
    page.keyboard.press("Enter")
    expect(shown.get_by_role("region")).to_be_visible()
    assert serious_problems(page) == []
    page.keyboard.press("Escape")
    expect(row.nth(1)).to_be_focused()

    shown.get_by_role("tab", name="Timeline").focus()
    page.keyboard.press("ArrowRight")
    runs = shown.locator(".mlp-runs")
    expect(runs.locator("tbody tr").first).to_contain_text("0.75")
    expect(runs.locator(".mlp-chart")).to_have_count(1)
    boxes = runs.get_by_role("checkbox")
    boxes.nth(1).focus()
    page.keyboard.press("Space")
    runs.get_by_role("button", name="Timeline").click()
    past = shown.locator(".mlp-compare .mlp-row[data-mlpipe-step=fit]")
    expect(past.locator(".mlp-ran")).to_be_visible()
    assert serious_problems(page) == []
    page.keyboard.press("Escape")
    boxes.nth(2).check()
    assert serious_problems(page) == []
    runs.get_by_role("button", name="Compare").click()
    differing = shown.locator(".mlp-differing[data-mlpipe-step=fit]")
    expect(differing).to_contain_text("parameter rate 0.25 -> 0.5")
    expect(differing).to_contain_text("auc 0.75 → 1")
    expect(shown.locator(".mlp-picture .mlp-differs")).to_have_count(2)
    assert serious_problems(page) == []
    page.set_viewport_size({"width": 640, "height": size["height"]})
    page.wait_for_function(
        "part => part.scrollWidth <= part.clientWidth",
        arg=shown.locator(".mlp-compare .mlp-scroll").element_handle(),
    )
    page.set_viewport_size(size)
    page.keyboard.press("Escape")
    expect(runs).to_be_visible()

    shown.get_by_role("tab", name="Graph").click()
    node(shown, "load").focus()
    page.keyboard.press("g")
    folded = shown.locator("g.node[data-mlpipe-group=data]")
    expect(folded).to_be_focused()
    expect(folded).to_contain_text("2 steps")
    expect(node(shown, "clean")).to_have_count(0)
    assert serious_problems(page) == []
    page.keyboard.press("Enter")
    expect(node(shown, "load")).to_be_focused()
    shown.get_by_role("button", name="Fold", exact=True).click()
    expect(shown.get_by_role("button", name="Unfold", exact=True)).to_be_focused()
    save(page)
    page.reload()
    shown = graph(notebook, 7)
    expect(shown.locator("g.node[data-mlpipe-group=data]")).to_be_visible()
    shown.get_by_role("tab", name="Timeline").click()
    expect(shown.locator(".mlp-row[data-mlpipe-step=clean]")).to_be_visible()


def test_beside_a_panel_names_can_be_read_and_a_table_shows_that_it_goes_on(open_notebook: Open) -> None:
    names = [f"features_of_the_airport_{n}" for n in range(5)]
    cells = [
        LOAD + "\nimport jupyter_mlpipe as mlpipe",
        "%%parameters\nrate = 0.25",
        "%%component load\nx = rate",
        *(f"%%component {name}\nmlpipe.log_metric('{name}', x)\n{name} = x" for name in names),
        f"pipeline = mlpipe.current()\nfor rate in (0.25, 0.5):\n"
        f"    pipeline.run(targets={names}, params={{'rate': rate}}).wait()",
        "run = %pipeline run\nrun.wait().status",
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    page = notebook.page
    shown = graph(notebook, 9)
    stage = shown.locator(".mlp-stage")
    for step in (names[-1], names[0]):
        node(shown, step).focus()
        page.keyboard.press("Enter")
        expect(shown.get_by_role("region", name=f"step {step}")).to_be_visible()
        size = (
            node(shown, step)
            .locator(".mlpipe-name")
            .evaluate("name => parseFloat(getComputedStyle(name).fontSize) * name.getScreenCTM().a")
        )
        assert size >= 11
        box, room = node(shown, step).bounding_box(), stage.bounding_box()
        assert box is not None
        assert room is not None
        assert room["x"] <= box["x"]
        assert box["x"] + box["width"] <= room["x"] + room["width"]
        expect(shown.locator(".mlp-minimap")).to_be_visible()
        page.keyboard.press("Escape")

    shown.get_by_role("tab", name="Runs").click()
    table = shown.get_by_role("group", name="Table of runs")
    expect(table.locator("tbody tr")).to_have_count(3)

    frame = table.locator("..")
    expect(frame).to_have_attribute("style", re.compile("--mlp-shade: 0 0,inset -14px 0"))
    table.focus()
    page.keyboard.press("End")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(frame).to_have_attribute("style", re.compile("--mlp-shade: inset 14px 0 12px -12px,0 0"))


def test_in_a_narrow_view_steps_can_be_read_and_nothing_lies_over_them(open_notebook: Open) -> None:
    names = [f"features_of_the_airport_{n}" for n in range(5)]
    cells = [
        LOAD,
        "%%component load\nx = 1",
        *(f"%%component {name}\n{name} = x" for name in names),
        "%pipeline show",
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    page = notebook.page
    shown = graph(notebook, 7)
    page.set_viewport_size({"width": 640, "height": 900})
    stage, small = shown.locator(".mlp-stage"), shown.locator(".mlp-minimap")
    both_sides = re.compile("--mlp-shade: inset 14px 0.*,inset -14px 0")
    expect(stage).to_have_attribute("style", both_sides)
    expect(small).to_be_visible()

    def covered() -> list[str]:
        """Steps that the small picture lies over."""
        over = small.bounding_box()
        assert over is not None
        found = []
        for step in ("load", *names):
            box = node(shown, step).bounding_box()
            assert box is not None
            beside = box["x"] + box["width"] <= over["x"] or over["x"] + over["width"] <= box["x"]
            if not beside and box["y"] < over["y"] + over["height"] and over["y"] < box["y"] + box["height"]:
                found.append(step)
        return found

    assert covered() == []
    for step in (names[-1], names[2]):
        node(shown, step).focus()
        page.keyboard.press("Enter")
        expect(shown.get_by_role("region", name=f"step {step}")).to_be_visible()
        size = "name => parseFloat(getComputedStyle(name).fontSize) * name.getScreenCTM().a"
        assert node(shown, step).locator(".mlpipe-name").evaluate(size) >= 11
        box, room = node(shown, step).bounding_box(), stage.bounding_box()
        assert box is not None
        assert room is not None
        assert room["x"] <= box["x"]
        assert box["x"] + box["width"] <= room["x"] + room["width"]
        assert step not in covered()
        page.keyboard.press("Escape")
    # All of it again, as far as it can be read.
    expect(stage).to_have_attribute("style", both_sides)


VIEWED = """
from jupyter_mlpipe.notebook.extension import current_session
current_session().way = "view"  # as in Colab
run = %pipeline run
"""


def test_a_view_of_a_widget_is_as_live_as_the_page(open_notebook: Open, lab: Lab) -> None:
    cells = [
        LOAD,
        "%%component one\nprint('begun')\nx = 1",
        "%%component two\n" + wait("view-goes-on") + "y = x",
        VIEWED,
    ]
    notebook = open_notebook(cells)
    notebook.run_all()
    page = notebook.page
    shown = notebook.cell(3).locator(".mlpipe-view .mlp")
    expect(node(shown, "two", "running")).to_be_visible(timeout=_WAIT_MS)
    expect(notebook.outputs(3)).to_have_count(1)
    node(shown, "one").click()
    panel = shown.get_by_role("region", name="step one")
    expect(panel.locator(".mlp-log")).to_have_text("begun\n")
    # The same model, shown twice.
    notebook.outputs(3).click(button="right")
    page.get_by_role("menuitem", name="Create New View for Cell Output").click()
    other = page.locator(".jp-LinkedOutputView .mlpipe-view .mlp")
    expect(node(other, "two", "running")).to_be_visible(timeout=_WAIT_MS)
    (lab.folder / "view-goes-on").touch()
    expect(node(shown, "two", "succeeded")).to_be_visible(timeout=_WAIT_MS)
    expect(node(other, "two", "succeeded")).to_be_visible(timeout=_WAIT_MS)
    # The picture is put in anew at the end, and the panel stays.
    expect(panel).to_be_visible()
    assert serious_problems(page, ".mlpipe-view") == []
    save(page)
    page.reload()
    expect(node(notebook.cell(3).locator(".mlpipe-view .mlp"), "two", "succeeded")).to_be_visible(
        timeout=_WAIT_MS
    )


IN_A_FRAME = """
async ([text, svg]) => {
  const module = URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
  const { initialize, render } = (await import(module)).default();
  let hear;
  const model = {
    get: name => ({graph: 'g1', svg})[name],
    on: (event, heard) => event === 'msg:custom' && (hear = heard),
    off: () => {},
    send: () => {}
  };
  initialize({model});
  render({model, el: document.body});
  window.tell = content => hear(content);
}
"""


def test_outputs_that_are_pages_of_their_own_are_live_each_by_itself(browser: Browser) -> None:
    before = RunSnapshot((StepSnapshot("one", status="running"),), "running")
    after = RunSnapshot((StepSnapshot("one", status="succeeded"),), "succeeded")
    page = browser.new_page()
    page.set_content("<iframe srcdoc='<body>'></iframe><iframe srcdoc='<html theme=dark><body>'></iframe>")
    frames = page.frames[1:]
    for frame in frames:
        frame.evaluate(IN_A_FRAME, [module_text(), kept_svg(before)])
        # What is there before, and without, an answer of the kernel.
        expect(frame.locator(".mlpipe-picture")).to_contain_text("one")
        frame.evaluate("tell", {"graph": "g1", "n": 0, "all": graph_facts(before)})
        expect(frame.locator(".mlp g[data-mlpipe-status=running]")).to_be_visible()
    frames[1].evaluate("tell", {"graph": "g1", "n": 1, "all": graph_facts(after)})
    expect(frames[1].locator(".mlp g[data-mlpipe-status=succeeded]")).to_be_visible()
    expect(frames[0].locator(".mlp g[data-mlpipe-status=running]")).to_be_visible()
    page.close()
