"""Make a picture of every screen of the graph, to be looked at.

``python -m tests.browser.screens --output FOLDER``, from the project's root.
Light and dark, in a real JupyterLab: the graph, a step's panel, a failed step, the timeline, the runs, one of
them, two compared, groups folded, and a slider that is a parameter.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Locator, expect, sync_playwright

from tests.browser.lab import Lab, Notebook, find_chromium

_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_WAIT_MS = 120_000
CELLS = [
    "%load_ext jupyter_mlpipe\n%pipeline mode register\nimport numpy as np, pandas as pd\n"
    "import matplotlib.pyplot as plt, ipywidgets, jupyter_mlpipe as mlpipe",
    "%%parameters\nseed = 7\nrate = 0.1",
    "%%component load --group prepare\n"
    "draw = np.random.default_rng(seed)\nrows = 200_000\n"
    "carrier = draw.choice(['AA', 'DL', 'UA'], rows)\n"
    "flights = pd.DataFrame({'carrier': carrier, 'delay': draw.normal(8, 30, rows)})\ndel carrier, rows\n"
    "print('read', len(flights), 'rows')",
    "%%component weather --group prepare\nimport time\ntime.sleep(0.3)\n"
    "wind = np.random.default_rng(seed).gamma(2, 5, 24)",
    "%%component clean --group prepare\nimport time\ntime.sleep(0.6)\n"
    "from_air = flights[flights.delay < 100]",
    "%%component fit --memory 1GB\nimport time\nfor epoch in range(8):\n    time.sleep(0.1)\n"
    "    mlpipe.log_metric('loss', 1 / (epoch + 1 + rate), step=epoch)\n"
    "    print('epoch', epoch)\nmodel = from_air.groupby('carrier').delay.mean() * (1 + rate)",
    "%%component plot\nplt.plot(wind)\nplt.title('wind')\nplt.show()",
    "%%component evaluate\nauc = float(1 / (1 + np.exp(-model.mean() / 10)))\n"
    "mlpipe.log_metric('auc', auc)\nauc",
    "%%component report\nlines = [f'{name}: {value:.1f}' for name, value in model.items()]\nlines[7]",
    "pipeline = mlpipe.current()\n"
    "for rate in (0.3, 0.2, 0.1):\n"
    "    pipeline.run(targets=['evaluate', 'plot'], params={'rate': rate}).wait()",
    "run = %pipeline run",
    "run.wait().status",
]
SLIDER = [
    *CELLS[:2],
    "%%component fit\nmodel = rate * seed",
    "%%component score\nscore = model + 1",
    "slider = ipywidgets.FloatSlider(0.1, min=0.05, max=0.5, step=0.05, description='rate')\n"
    "mlpipe.bind('rate', slider)\nslider",
    "run = %pipeline run\nrun.wait()",
    "%pipeline show",
]


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--output", type=Path, required=True)
    target = parser.parse_args().output
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        for part in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            os.environ[part] = str(Path(name) / part.lower())
        root = Path(name) / "notebooks"
        root.mkdir()
        lab = Lab(root)
        browser = playwright.chromium.launch(executable_path=find_chromium())
        try:
            for theme in _THEMES:
                lab.set("apputils-extension", "themes", {"theme": _THEMES[theme]})
                _walk(browser, lab, theme, target)
                lab.end_sessions()
        finally:
            lab.end_sessions()
            lab.close()
            browser.close()


def _open(browser: Browser, lab: Lab, name: str, cells: list[str]) -> tuple[Notebook, Locator]:
    notebook = Notebook(browser, lab, lab.write(name, cells))
    notebook.page.set_viewport_size({"width": 1280, "height": 900})
    notebook.run_all()
    notebook.wait_until_run(len(cells) - 1)
    shown = notebook.page.locator(".mlp:not(.mlp-aside)").last
    expect(shown).to_be_visible(timeout=_WAIT_MS)
    return notebook, shown


def _walk(browser: Browser, lab: Lab, theme: str, target: Path) -> None:
    def take(shown: Locator, name: str) -> None:
        shown.scroll_into_view_if_needed()
        shown.page.mouse.move(0, 0)
        shown.page.wait_for_timeout(400)
        shown.screenshot(path=target / f"{name}-{theme}.png")

    # Of its own values, so that its steps run.
    cells = [cell.replace("seed = 7", f"seed = {len(theme)}") for cell in CELLS]
    notebook, shown = _open(browser, lab, f"graph-{theme}.ipynb", cells)
    page = notebook.page
    expect(shown.locator("g[data-mlpipe-step=report][data-mlpipe-status=failed]")).to_be_visible(
        timeout=_WAIT_MS
    )
    take(shown, "graph")
    for step in ("fit", "load", "plot", "report"):
        shown.locator(f"g[data-mlpipe-step={step}]").click()
        expect(shown.locator(".mlp-body details").first).to_be_visible()
        take(shown, f"panel-{step}")
    page.keyboard.press("Escape")
    shown.get_by_role("tab", name="Timeline").click()
    take(shown, "timeline")
    shown.get_by_role("tab", name="Runs").click()
    boxes = shown.get_by_role("checkbox")
    boxes.nth(2).check()
    take(shown, "runs")
    shown.get_by_role("button", name="Timeline").click()
    expect(shown.locator(".mlp-compare .mlp-row").first).to_be_visible()
    take(shown, "past")
    page.keyboard.press("Escape")
    boxes.nth(3).check()
    shown.get_by_role("button", name="Compare").click()
    expect(shown.locator(".mlp-picture")).to_have_count(2)
    take(shown, "compare")
    page.keyboard.press("Escape")
    shown.get_by_role("tab", name="Graph").click()
    shown.get_by_role("button", name="Fold", exact=True).click()
    expect(shown.locator("g.node[data-mlpipe-group=prepare]")).to_be_visible()
    take(shown, "folded")
    notebook.close()
    lab.end_sessions()

    notebook, shown = _open(browser, lab, f"slider-{theme}.ipynb", SLIDER)
    handle = notebook.page.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    handle.focus()
    for _ in range(3):
        notebook.page.keyboard.press("ArrowRight")
    expect(shown.locator(".mlp-acts, .mlp-bar")).to_contain_text("stale", timeout=_WAIT_MS)
    notebook.page.wait_for_timeout(400)
    notebook.page.screenshot(path=target / f"slider-{theme}.png")
    notebook.close()


if __name__ == "__main__":
    main()
