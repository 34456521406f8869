"""The JupyterLab extension, as a user sees and works it: badges, stale cells, the panels at the sides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_graph import AXE, EVIL, wait

Open = Callable[[Sequence[str]], Notebook]

_WAIT_MS = 60_000


def badge(notebook: Notebook, step: str, status: str = "") -> Locator:
    of_status = f"[data-mlpipe-status={status}]" if status else ""
    return notebook.page.locator(f".mlp-badge[data-mlpipe-step={step}]{of_status}")


def expect_badge(notebook: Notebook, step: str, status: str) -> None:
    expect(badge(notebook, step, status)).to_be_visible(timeout=_WAIT_MS)


def outline(page: Page) -> Locator:
    return page.locator(".mlp-outline li")


def expect_stale(notebook: Notebook, surely: set[str], maybe: set[str]) -> None:
    """Wait until exactly these badges are stale, and exactly their cells are grey."""
    page = notebook.page
    expect(page.locator(".mlp-badge[data-mlpipe-stale]")).to_have_count(len(surely | maybe), timeout=_WAIT_MS)
    for kind, steps in (("mlp-stale", surely), ("mlp-maybe-stale", maybe)):
        expect(page.locator(f".jp-Cell.{kind}")).to_have_count(len(steps))
        for step in steps:
            expect(page.locator(f".jp-Cell.{kind} .mlp-badge[data-mlpipe-step={step}]")).to_have_count(1)


def replace_text(notebook: Notebook, index: int, text: str) -> None:
    """Put another text into a cell, and run it."""
    notebook.cell(index).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.insert_text(text)
    notebook.page.keyboard.press("Control+Enter")


def serious_problems(page: Page, part: str) -> list[str]:
    """Return what axe-core finds there; nothing where it has not been installed."""
    if not AXE.exists():
        return []
    page.add_script_tag(path=AXE)
    found = page.evaluate(f"axe.run('{part}').then(found => found.violations)")
    serious = [problem for problem in found if problem["impact"] in ("serious", "critical")]
    return [f"{p['id']}: {p['nodes'][0]['html']}" for p in serious]


def is_fault(message: ConsoleMessage) -> bool:
    """Tell whether a page says that something is wrong, not only that its kernel was changed meanwhile."""
    return message.type == "error" and "Could not restore the debugger state" not in message.text


@pytest.fixture
def complaints(open_notebook: Open) -> Callable[[Notebook], list[str]]:
    """Return what the page says to developers from then on: errors that nobody caught, and others."""

    def listen(notebook: Notebook) -> list[str]:
        said: list[str] = []
        notebook.page.on("pageerror", lambda error: said.append(str(error)))
        notebook.page.on("console", lambda message: said.append(message.text) if is_fault(message) else None)
        return said

    return listen


def test_badges_follow_runs_reloads_edits_and_restarts(
    open_notebook: Open, lab: Lab, complaints: Callable[[Notebook], list[str]]
) -> None:
    slow = "from jupyter_mlpipe import progress\nprogress(0.25)\n" + wait("b-goes-on")
    cells = [
        "%load_ext jupyter_mlpipe",
        "def double(x):\n    return 2 * x",
        "%%component a\nx = 31",
        f"%%component b\n{slow}y = double(x)\ny",
        "%%component c\nz = y + 1",
        "%%component d\nw = x + 5\nw",
    ]
    notebook = open_notebook(cells)
    said = complaints(notebook)
    page = notebook.page
    notebook.run_all()
    notebook.command("Show Pipeline")
    expect_badge(notebook, "a", "succeeded")
    expect(badge(notebook, "a")).to_contain_text(re.compile(r"✓ ran .*→ x"))
    expect_badge(notebook, "b", "running")
    expect(badge(notebook, "b")).to_contain_text("▶ running 25%")
    expect(outline(page).nth(1)).to_contain_text("running 25%")
    expect(page.locator(".mlp-side-workers")).to_contain_text("CPU=1 by b")
    expect(page.locator(".mlp-side-table tr").first).to_contain_text("running")

    # The kernel is busy: the page that is loaded again hears of it all the same.
    page.reload()
    expect_badge(notebook, "b", "running")
    expect_badge(notebook, "a", "succeeded")
    badge(notebook, "b").locator("button").click()
    panel = page.get_by_role("region", name="step b")
    expect(panel).to_contain_text("%%component b", timeout=_WAIT_MS)
    (lab.folder / "b-goes-on").touch()
    expect_badge(notebook, "b", "succeeded")
    expect(panel).to_contain_text("✓ ran")
    # The kernel had been given all cells before.
    for step in "cd":
        expect_badge(notebook, step, "succeeded")
    expect(panel.locator("details[data-part=Makes]")).to_contain_text("int")
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()
    expect_stale(notebook, set(), set())

    replace_text(notebook, 1, "def double(x):\n    return 20 * x")
    expect_stale(notebook, {"b"}, {"c"})
    expect(badge(notebook, "b")).to_contain_text("helper double changed")
    replace_text(notebook, 1, "def double(x):\n    return 2 * x  # as before")
    expect_stale(notebook, set(), set())
    replace_text(notebook, 2, "%%component a\nx = 32")
    expect_stale(notebook, {"b", "d"}, {"c"})
    # The badge says what the receipt says, which is not shown twice.
    expect(notebook.outputs(2)).to_have_count(1)
    expect(notebook.outputs(2)).to_be_hidden()
    expect(page.locator(".mlp-side")).to_contain_text("Run 3 stale")
    page.get_by_role("button", name="Run 3 stale").click()
    expect_stale(notebook, set(), set())
    expect(page.get_by_role("button", name="Nothing is stale")).to_be_disabled()
    for step in "bcd":
        expect_badge(notebook, step, "succeeded")

    notebook.command("Restart Kernel…")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    expect(page.locator(".mlp-badge")).to_have_count(0, timeout=_WAIT_MS)
    expect(page.locator(".mlp-side-none")).to_be_visible(timeout=_WAIT_MS)
    expect(notebook.outputs(2)).to_be_visible()
    notebook.run_all()
    expect_badge(notebook, "d", "reused")
    assert said == []


def test_cells_move_keys_suffice_and_what_is_printed_stays_text(
    open_notebook: Open, lab: Lab, complaints: Callable[[Notebook], list[str]]
) -> None:
    lab.set("notebook-extension", "tracker", {"windowingMode": "full"})
    cells = [
        "%load_ext jupyter_mlpipe",
        f"%%component one(a: str = {EVIL!r})\nprint(a)\nx = a",
        "%%component two\ny = x\nraise ValueError(x)",
        *(f"# {n}" for n in range(60)),
        "%%component last\nz = 1",
    ]
    notebook = open_notebook(cells)
    said = complaints(notebook)
    page = notebook.page
    page.locator(".jp-Notebook").first.press("Escape")
    notebook.command("Show Pipeline")
    for index in range(3):
        notebook.cell(index).click()
        page.keyboard.press("Control+Enter")
    expect_badge(notebook, "two", "failed")
    expect(badge(notebook, "two")).to_contain_text("ValueError: <img src=x")

    # By keyboard: into the badge, into the panel, and back.
    badge(notebook, "one").locator("button").focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="step one")
    expect(panel).to_be_focused()
    expect(panel.locator(".mlp-log")).to_contain_text(EVIL)
    assert serious_problems(page, ".mlp-aside") == []
    assert serious_problems(page, ".mlp-side") == []
    assert serious_problems(page, ".mlp-badge") == []
    page.keyboard.press("Escape")
    expect(badge(notebook, "one").locator("button")).to_be_focused()
    assert page.evaluate("window.hit") is None

    # A cell that is far away is drawn when it comes into view, and so is its badge.
    notebook.cell(3).click()
    notebook.command("Run Selected Cell and All Below")
    last = page.locator(".mlp-outline li[data-mlpipe-step=last][data-mlpipe-status=succeeded]")
    expect(last).to_be_visible(timeout=_WAIT_MS)
    page.locator(".mlp-outline button").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(badge(notebook, "last")).to_be_in_viewport()
    page.locator(".mlp-outline button").last.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(badge(notebook, "one")).to_be_in_viewport()

    # A cell keeps its badge where it is moved; its copy has none; another view of the notebook has it, too.
    notebook.command("Move Cell Down")
    expect(notebook.cell(2).locator(".mlp-badge[data-mlpipe-step=one]")).to_be_visible()
    expect(outline(page).first).to_contain_text("two")
    notebook.command("Copy Cell")
    notebook.command("Paste Cell Below")
    expect(notebook.cell(3)).to_contain_text("%%component one")
    expect(notebook.cell(3).locator(".mlp-badge")).to_have_count(0)

    # An edit that was not run is said; of a cell that is split, the part without our line is no step.
    edited = notebook.cell(2).locator(".mlp-badge[data-mlpipe-edited]")
    notebook.cell(2).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" + 'more'")
    expect(edited).to_contain_text("edited since it was run")
    page.keyboard.press("Control+z")
    expect(edited).to_have_count(0)
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Shift+Minus")
    expect(notebook.cell(3)).to_contain_text("print(a)")
    expect(badge(notebook, "one")).to_have_count(0)
    notebook.command("Undo Cell Operation")
    expect(notebook.cell(2).locator(".mlp-badge[data-mlpipe-step=one]")).to_be_visible()
    page.locator("#jp-main-dock-panel .lm-TabBar-tab").first.click(button="right")
    page.locator(".lm-Menu-itemLabel").get_by_text("New View for Notebook", exact=True).click()
    expect(badge(notebook, "one")).to_have_count(2, timeout=_WAIT_MS)
    assert said == []


def test_a_notebook_without_us_is_left_alone(
    open_notebook: Open, lab: Lab, complaints: Callable[[Notebook], list[str]]
) -> None:
    notebook = open_notebook(["1 + 1", "%%capture\n2"])
    said = complaints(notebook)
    sent: list[bytes] = []

    def note(payload: str | bytes) -> None:
        sent.append(payload.encode() if isinstance(payload, str) else payload)

    notebook.page.on("websocket", lambda socket: socket.on("framesent", note))
    notebook.page.reload()
    expect(notebook.cell(0)).to_be_visible(timeout=_WAIT_MS)
    lab.wait_for_kernel(notebook.name)
    notebook.run_all()
    notebook.wait_until_run(1)
    notebook.command("Show Pipeline")
    expect(notebook.page.locator(".mlp-side-none")).to_be_visible()
    expect(notebook.page.locator(".mlp-badge")).to_have_count(0)
    # The kernel is asked whether it is ours, as by ipywidgets, and no more.
    assert [message for message in sent if b"execute_request" in message]
    ours = [message for message in sent if b"mlpipe" in message]
    assert [message for message in ours if b"comm_info_request" not in message] == []
    assert said == []
    assert "No such comm" not in (lab.folder / "lab.log").read_text()
