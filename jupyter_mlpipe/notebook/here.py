"""``%%component NAME --here``: the cell runs in the kernel's own process, as it would without our line.

For what cannot live in a process of its own: widgets, connections, threads. Its values are the
notebook's own: other components capture them by content, and nothing of it is stored or reused.
"""

from __future__ import annotations

import time
from typing import Any

from jupyter_mlpipe.cells.header import Header
from jupyter_mlpipe.cells.names import parse_cell
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.body import Body
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.notebook.output import CellOutput
from jupyter_mlpipe.notebook.receipt import Receipt
from jupyter_mlpipe.notebook.session import Session

_STATE = "ran {} in the notebook's own process (--here): nothing of it is stored, it runs each time"


def run_here(session: Session, header: Header, cell: str, output: CellOutput) -> None:
    """Run a cell's body in the notebook's namespace.

    Whatever it raises comes as from a plain cell.
    """
    shell = session.shell
    n_blank = len(cell) - len(cell.lstrip("\n"))
    code = "\n" * (1 + n_blank) + str(shell.transform_cell(cell))
    number = shell.displayhook.prompt_count
    parse_cell(code, filename=f"Cell In[{number}]")
    title = shell.compile.cache(code, number, raw_code=code)
    body = Body(code, title)
    if body.awaits:
        raise UsageError(
            "--here cannot run a cell that awaits at its top level, for the kernel's loop runs already. "
            "Leave out --here, or %%component."
        )
    if header.name in session.registry:
        session.remove(header.name)
    session.before_cell(cell, code)
    started = time.perf_counter()
    try:
        body.run(shell.user_ns, _shown_by(shell), interactivity=shell.ast_node_interactivity)
    except BaseException as error:
        _show_from(error, title, shell)
        raise
    finally:
        session.note_plain_cell(code)
    receipt = Receipt(header.name, "")
    state = _STATE.format(describe_seconds(time.perf_counter() - started))
    output.display(receipt.bundle(state, status="succeeded", facts={"cell_id": session.cell_id}))


def _show_from(error: BaseException, title: str, shell: Any) -> None:
    """Let the error's traceback begin in the cell: the frames above are ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != title:
        trace = trace.tb_next
    if trace is not None and not hasattr(error, "_render_traceback_"):
        lines = shell.InteractiveTB.structured_traceback(type(error), error, trace)
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]


def _shown_by(shell: Any) -> Any:
    def show(value: object) -> None:
        if value is not None:
            shell.displayhook(value)

    return show
