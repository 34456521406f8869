"""The graph of a pipeline: drawn in the kernel, taken over and kept up to date in the browser, and its sizes.

Run: ``python tests/benchmarks/bench_graph.py``. The browser part loads the module that is shipped into an
empty page of Chromium, with a widget's model that is driven by hand. The last part is a real JupyterLab: the
kernel runs a loop while its steps run, and tells when their states change; the page, when that is painted.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from support import ms, print_table

from jupyter_mlpipe.model.status import Reason, RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.drawing import layout, pipeline_dot
from jupyter_mlpipe.notebook.show.graphfacts import changes, graph_facts
from jupyter_mlpipe.notebook.show.link import module_text
from jupyter_mlpipe.notebook.show.painting import paint, pipeline_svg
from jupyter_mlpipe.notebook.show.views import graph_bundle

SIZES = (12, 100, 1000)
ROUNDS = 5

MODEL = """
async ([html, text]) => {
  document.body.innerHTML = html;
  const hearers = [];
  const asked = [];
  const model = {
    get: () => '',
    on: (event, hear) => event === 'msg:custom' && hearers.push(hear),
    off: () => {},
    send: content => asked.push(content)
  };
  window.tell = content => hearers.forEach(hear => hear(content));
  const url = URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
  (await import(url)).default().initialize({model});
  await new Promise(requestAnimationFrame);
  window.asked = asked;
}
"""
TELL = """
async messages => {
  const begun = performance.now();
  messages.forEach(window.tell);
  const told = performance.now();
  // Two frames on, the first has been painted.
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return [told - begun, performance.now() - begun];
}
"""


def pipeline(n_steps: int) -> RunSnapshot:
    """Make a pipeline in which each step reads from one or two of the twelve before it."""
    chance = random.Random(1)
    steps = []
    for number in range(n_steps):
        above = {max(0, number - 1 - chance.randrange(12)) for _ in range(1 + (chance.random() < 0.45))}
        reads = {f"output_{other}": f"step_{other}" for other in above if other < number}
        steps.append(
            StepSnapshot(
                name=f"step_{number}",
                status="waiting",
                reads=reads,
                outputs=(f"output_{number}",),
                reasons=(Reason("new"),),
            )
        )
    return RunSnapshot(tuple(steps), "running", 2.0)


def done(snapshot: RunSnapshot) -> RunSnapshot:
    steps = tuple(
        replace(
            step,
            status="succeeded",
            seconds=1.5,
            sizes=dict.fromkeys(step.outputs, 41_000_000),
            worker=f"worker {number % 8}",
            reached={"queued": number / 8, "running": number / 8 + 0.1, "succeeded": number / 8 + 1.6},
        )
        for number, step in enumerate(snapshot.steps)
    )
    return replace(snapshot, steps=steps, status="succeeded")


def median(work: Callable[[], Any]) -> str:
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return ms(statistics.median(found))


def in_kernel() -> None:
    rows = []
    for n_steps in SIZES:
        before = pipeline(n_steps)
        after = done(before)
        dot = pipeline_dot(before)
        svg = layout(dot)
        facts = graph_facts(before)
        changed = changes(facts, graph_facts(after))
        bundle = graph_bundle(after, graph="g1")
        rows.append(
            (
                f"{n_steps} steps",
                median(lambda before=before: pipeline_dot(before)),
                median(lambda dot=dot: layout.__wrapped__(dot)),
                median(lambda after=after, svg=svg: paint(after, svg)),
                median(lambda after=after, facts=facts: changes(facts, graph_facts(after))),
                f"{len(json.dumps(changed)) / 1000:.1f}",
                f"{sum(len(json.dumps(part)) for part in bundle.values()) / 1000:.0f}",
            )
        )
    print(f"In the kernel: milliseconds, median of {ROUNDS}; the module has {len(module_text())} bytes\n")
    head = ("", "DOT", "layout", "painting", "what changed", "kB of all changes", "kB saved")
    print_table(head, rows)


def in_browser() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.lab import find_chromium

    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        for n_steps in SIZES:
            before = pipeline(n_steps)
            after = done(before)
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.evaluate(MODEL, [graph_bundle(before, graph="g1")["text/html"], module_text()])
            facts = graph_facts(before)
            told = {"graph": "g1", "n": 0, "all": facts}
            # Where the page holds an outline, it asks for the whole.
            first = page.evaluate(TELL, [told, {"graph": "g1", "drawing": pipeline_svg(before)}, told])
            all_done = changes(facts, graph_facts(after))
            together = page.evaluate(TELL, [{"graph": "g1", "n": 1, "changed": all_done}])
            page.evaluate("document.querySelectorAll('[role=tab]')[1].click()")
            timeline = page.evaluate(TELL, [{"graph": "g1", "n": 2, "changed": {}}])
            back = changes(graph_facts(after), facts)["steps"]
            one_by_one = [
                {"graph": "g1", "n": 3 + number, "changed": {"steps": {name: part}}}
                for number, (name, part) in enumerate(back.items())
            ]
            storm = page.evaluate(TELL, one_by_one)
            rows.append(
                (f"{n_steps} steps", *(f"{found[1]:.0f}" for found in (first, together, timeline, storm)))
            )
            page.close()
        browser.close()
    print("In the browser: milliseconds from the message until it is painted, one reading\n")
    head = ("", "taken over", "all change, one message", "timeline opened", "all change, a message each")
    print_table(head, rows)


SEEN = """
window.seen = [];
new MutationObserver(changes => {
  const found = changes.map(({target}) => [target.dataset.mlpipeStep, target.dataset.mlpipeStatus]);
  // Two frames on, the first has been painted.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const now = Date.now() / 1000;
    found.forEach(([step, status]) => window.seen.push([step, status, now]));
  }));
}).observe(document.querySelector('.mlp'), {attributeFilter: ['data-mlpipe-status'], subtree: true});
"""
FIRST = "%load_ext jupyter_mlpipe\n%pipeline mode register\nimport json, os, time"
BUSY = """
told = []
def note(kind, step, payload):
    if kind == "status":
        told.append((step, payload, time.time()))

run = session.start(begin=lambda run: session.background.add(graph.follow(run)), listener=note)
while run.status == "running":
    sum(range(10_000))
time.sleep(1)
with open("told.json", "w") as file:
    json.dump(told, file)
"""
SHOW = """
from jupyter_mlpipe.notebook.extension import current_session
session = current_session()
%pipeline show
(graph,) = session.link.graphs
"""


def in_jupyterlab(n_steps: int = 12) -> None:
    from playwright.sync_api import WebSocket, expect, sync_playwright

    from tests.browser.lab import Lab, Notebook, find_chromium

    told: list[float] = []

    def note(payload: str | bytes) -> None:
        data = payload if isinstance(payload, bytes) else payload.encode()
        if b'"changed"' in data and b'"graph"' in data:
            told.append(time.monotonic())

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", note)

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        for part in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            os.environ[part] = str(folder / part.lower())
        lab = Lab(folder)
        browser = playwright.chromium.launch(executable_path=find_chromium())
        try:
            steps = [f"%%component s{n}\ntime.sleep(0.2)\nx{n} = x{n - 1}" for n in range(1, n_steps)]
            cells = [FIRST, "%%component s0\nx0 = 0", *steps, SHOW, BUSY]
            notebook = Notebook(browser, lab, lab.write("bench.ipynb", cells))
            page = notebook.page
            page.on("websocket", listen)
            page.reload()  # so that its socket is listened to
            lab.wait_for_kernel("bench.ipynb")
            for index in range(n_steps + 1):
                notebook.cell(index).locator(".cm-content").click()
                page.keyboard.press("Control+Enter")
                notebook.wait_until_run(index)
            notebook.cell(n_steps + 1).locator(".cm-content").click()
            begun = time.perf_counter()
            page.keyboard.press("Control+Enter")
            expect(notebook.cell(n_steps + 1).locator("svg.mlpipe-graph")).to_be_visible()
            picture = time.perf_counter() - begun
            expect(notebook.cell(n_steps + 1).locator(".mlp")).to_be_visible(timeout=30_000)
            live = time.perf_counter() - begun
            page.evaluate(SEEN)
            told.clear()
            notebook.cell(n_steps + 2).locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            notebook.wait_until_run(n_steps + 2)
            seen = {(step, status): at for step, status, at in reversed(page.evaluate("window.seen"))}
        finally:
            lab.end_sessions()
            lab.close()
            browser.close()
        changes = json.loads((folder / "told.json").read_text())
    delays = sorted(seen[step, status] - at for step, status, at in changes if (step, status) in seen)
    most = max(sum(0 <= other - at < 1 for other in told) for at in told)
    print(f"In JupyterLab, {n_steps} steps, the kernel busy: milliseconds\n")
    head = ("picture", "live, the first one", "state to pixels, median", "slowest", "messages a second")
    print_table(head, [(ms(picture), ms(live), ms(statistics.median(delays)), ms(delays[-1]), str(most))])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    in_kernel()
    in_browser()
    in_jupyterlab()
