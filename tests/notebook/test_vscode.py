"""What VS Code saves where a cell is run again: it clears the cell late, and forgets a display by that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kernel import Kernel
from tests.support.vscode import Message, VSCodeCell, turns

CELLS = {
    "a step": "%%component one --no-reuse\nimport time\ntime.sleep(0.3)\nx = 1\nprint('x')\nx",
    "a step that is quick": "%%component one --no-reuse\nx = 1",
    "a graph": "run = %pipeline run --force two\nrun.wait()",
    "a graph below others": "print('first')\n%pipeline show\nrun = %pipeline run --force two\nrun.wait()",
}


def run_as_vscode(kernel: Kernel, code: str, until: Any) -> list[Message]:
    """Run a cell; return what came for it, and what came later for it, until that holds."""
    heard: list[Message] = []
    kernel.on_message = heard.append
    asked = kernel.start(code, cellId="vscode-notebook-cell:/home/u/a.ipynb#W1sZmlsZQ%3D%3D")
    kernel.wait(asked).check()
    kernel.listen(lambda: until(heard))
    kernel.on_message = lambda message: None
    return [message for message in heard if message["parent_header"].get("msg_id") == asked]


def has_ended(cell: VSCodeCell) -> bool:
    ours = [data["text/html"] for data in cell.saved if "data-mlpipe-s" in str(data.get("text/html"))]
    return bool(ours) and all(
        'data-mlpipe-status="succeeded"' in html and 'data-mlpipe-status="running"' not in html
        for html in ours
    )


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_that_is_run_again_is_saved_as_it_ended(kernel: Kernel, kind: str) -> None:
    kernel.run("%%component two --no-run\nimport time\ntime.sleep(0.3)\ny = 1").check()

    def run() -> list[Message]:
        def is_over(heard: list[Message]) -> bool:
            cell = VSCodeCell()
            cell.run(heard)
            return has_ended(cell)

        return run_as_vscode(kernel, CELLS[kind], is_over)

    first, again = run(), run()
    plain = VSCodeCell()
    plain.run(again)
    taken = turns(again)
    for heard_after in range(len(taken) + 1):
        cell = VSCodeCell()
        cell.run(first)
        cell.begin()
        for n, together in enumerate([*taken, []]):
            if n == heard_after:
                cell.hear_of_clear()
            for message in together:
                cell.take(message)
        assert cell.saved == plain.saved, f"the clearing was heard of after {heard_after} of {len(taken)}"
