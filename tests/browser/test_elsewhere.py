"""The graph where outputs are pages of their own: with the widget managers that VS Code and others have.

What is real: the kernel, anywidget's module as RequireJS gets it there, and the managers, VS Code's own among
them. What is not: VS Code itself, its frames, and how messages get from the kernel into them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import TOKEN, Lab

_FRONT_END = Path(__file__).parents[2] / "labextension"
_MODULES = _FRONT_END / "node_modules"
_ANYWIDGET = Path(sys.prefix) / "share" / "jupyter" / "nbextensions" / "anywidget"
_WAIT_MS = 60_000
_LOADERS = {"svg": "text", "css": "empty", "woff": "empty", "woff2": "empty", "ttf": "empty", "eot": "empty"}

# What they say with a request, by the number of a cell.
FRONT_ENDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "vscode": lambda n: {"cellId": f"vscode-notebook-cell:/home/u/a.ipynb#W{n}sZmlsZQ%3D%3D"},
    "html-manager": lambda n: {"colab": {"cell_id": f"aB{n}", "base_url": "https://example.org"}},
}

# Of dark themes; with what widgets get there, in Colab colours of JupyterLab's.
_DARK = {
    "vscode": """
:root { --vscode-editor-foreground: #cccccc; --vscode-descriptionForeground: #9d9d9d; }
:root { --vscode-editor-background: #1f1f1f; background: #1f1f1f; color: #cccccc; }
""",
    "html-manager": """
:root { --colab-primary-text-color: #d5d5d5; --colab-secondary-text-color: #a8a8a8; }
:root { --colab-primary-surface-color: #383838; background: #383838; color: #d5d5d5; }
:root { --jp-layout-color0: white; --jp-ui-font-color1: var(--colab-primary-text-color); }
""",
}
_FAINT = {
    "vscode": "color(srgb 0.8 0.8 0.8 / 0.65)",
    "html-manager": "color(srgb 0.835294 0.835294 0.835294 / 0.65)",
}

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and (_MODULES / "@vscode" / "jupyter-ipywidgets8").is_dir()),
    reason="the packages of the front end are not installed: npm ci in labextension",
)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the page's script."""
    target = tmp_path_factory.mktemp("elsewhere") / "page.js"
    loaders = [f"--loader:.{kind}={loader}" for kind, loader in _LOADERS.items()]
    subprocess.run(
        [
            str(_MODULES / ".bin" / "esbuild"),
            "tests/elsewhere/page.ts",
            "--bundle",
            "--format=iife",
            "--banner:js=var __webpack_public_path__ = '';",
            "--log-level=error",
            f"--outfile={target}",
            *loaders,
        ],
        cwd=_FRONT_END,
        check=True,
    )
    return target


def open_page(browser: Browser, lab: Lab, script: Path, kind: str) -> tuple[Page, list[str]]:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: (
            complaints.append(f"{said.text} {said.location['url']}") if said.type == "error" else None
        ),
    )
    code = (_ANYWIDGET / "index.js").read_bytes()
    page.route("**/anywidget.js", lambda route: route.fulfill(content_type="text/javascript", body=code))
    # Of the server, without anything of JupyterLab: a page that is not its own would not reach kernels.
    page.goto(f"http://127.0.0.1:{lab.port}/static/logo/logo.png?token={TOKEN}")
    page.evaluate(
        "document.documentElement.replaceChildren(...['head', 'body'].map(n => document.createElement(n)))"
    )
    page.add_script_tag(path=script)
    page.add_script_tag(path=_MODULES / "requirejs" / "require.js")
    page.evaluate("requirejs.config({paths: {anywidget: '/anywidget'}})")
    page.add_style_tag(content=_DARK[kind])
    if kind == "html-manager":
        page.evaluate("document.documentElement.setAttribute('theme', 'dark')")
    page.evaluate("([kind, path]) => elsewhere.open(kind, path)", [kind, f"elsewhere-{kind}.ipynb"])
    return page, complaints


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_a_graph_lives_where_a_widget_shows_it(browser: Browser, lab: Lab, script: Path, kind: str) -> None:
    page, complaints = open_page(browser, lab, script, kind)

    numbers = count(1)

    def run(code: str) -> str:
        given = [code, FRONT_ENDS[kind](next(numbers))]
        return str(page.evaluate("given => elsewhere.run(...given)", given))

    wait = f"while not os.path.exists('{kind}-{{}}'):\n    time.sleep(0.05)\n"
    begin = "%load_ext jupyter_mlpipe\n%pipeline mode register\nimport os, time"
    assert run(begin) == "ok"
    assert run("%%component one\nprint('begun')\n" + wait.format("go") + "x = 1") == "ok"
    assert run("%%component two\ny = x\n" + wait.format("never")) == "ok"
    assert run("run = %pipeline run") == "ok"
    # VS Code shows what a notebook keeps: a view out of sight would be lost when it is opened again.
    view = page.locator({"vscode": ".mlpipe-root", "html-manager": ".mlpipe-view"}[kind])
    expect(view).to_have_count(1)
    expect(view.locator(".mlp")).to_be_visible(timeout=_WAIT_MS)
    # Their widgets bring JupyterLab's colours along, those on white.
    expect(page.locator("[data-mlpipe-step=two] > span").first).to_have_css("color", _FAINT[kind])
    expect(view.locator(".mlp")).to_have_css("background-color", "rgb(31, 31, 31)")
    node = "g[data-mlpipe-step={}][data-mlpipe-status={}]"
    expect(view.locator(".mlp").locator(node.format("one", "running"))).to_be_visible(timeout=_WAIT_MS)
    view.locator("g[data-mlpipe-step=one]").click()
    panel = view.get_by_role("region", name="step one")
    expect(panel.locator(".mlp-log")).to_have_text("begun\n")
    # As it goes on while a cell runs, and while none does.
    assert run(f"open('{kind}-go', 'w').close()\ntime.sleep(0.1)") == "ok"
    expect(view.locator(node.format("two", "running"))).to_be_visible(timeout=_WAIT_MS)
    expect(panel).to_contain_text("ran")
    view.get_by_role("tab", name="Timeline").click()
    expect(view.get_by_role("tabpanel", name="Timeline")).to_be_visible()
    view.get_by_role("button", name="Stop").click()
    view.get_by_role("tab", name="Graph").click()
    expect(view.locator(node.format("two", "cancelled"))).to_be_visible(timeout=_WAIT_MS)
    # Once its run has ended the output is put in anew: the same view goes on.
    expect(panel).to_be_visible()
    expect(page.locator(".mlp")).to_have_count(1)
    assert complaints == []
    page.close()
    lab.end_sessions()


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_a_graph_lives_while_its_cell_keeps_the_kernel_busy(
    browser: Browser, lab: Lab, script: Path, kind: str
) -> None:
    page, complaints = open_page(browser, lab, script, kind)
    steps = (
        "%load_ext jupyter_mlpipe\n%pipeline mode register\nimport os, time",
        "%%component one\nx = 1",
        f"%%component two\nwhile not os.path.exists('{kind}-two'):\n    time.sleep(0.05)\ny = x",
    )
    for number, code in enumerate(steps):
        page.evaluate("given => elsewhere.run(...given)", [code, FRONT_ENDS[kind](number)])
    # The kernel hears what the page asks only after the cell.
    until = f"run = %pipeline run\nwhile not os.path.exists('{kind}-cell'):\n    time.sleep(0.05)"
    page.evaluate("given => { elsewhere.run(...given); }", [until, FRONT_ENDS[kind](3)])
    shown = page.locator(".mlp")
    node = "g[data-mlpipe-step={}][data-mlpipe-status={}]"
    expect(shown.locator(node.format("two", "running"))).to_be_visible(timeout=_WAIT_MS)
    (lab.folder / f"{kind}-two").touch()
    expect(shown.locator(node.format("two", "succeeded"))).to_be_visible(timeout=_WAIT_MS)
    (lab.folder / f"{kind}-cell").touch()
    shown.locator("g[data-mlpipe-step=one]").click()
    expect(shown.get_by_role("region", name="step one")).to_contain_text("%%component one")
    assert complaints == []
    page.close()
    lab.end_sessions()
