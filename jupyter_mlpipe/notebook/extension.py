"""``%load_ext jupyter_mlpipe``: hooks the session into IPython, and takes it out again."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from IPython.core.error import InputRejected

from jupyter_mlpipe.cells.header import comment_header
from jupyter_mlpipe.cells.magics import component_first
from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.process.figures import make_figures_showable
from jupyter_mlpipe.execution.process.unlogged import keep_quiet, stop_keeping_quiet
from jupyter_mlpipe.execution.runs.plan import Plan
from jupyter_mlpipe.execution.runs.why import Why
from jupyter_mlpipe.notebook.automagic import KnownNameChecker
from jupyter_mlpipe.notebook.commands import check_command
from jupyter_mlpipe.notebook.completion import complete_lines
from jupyter_mlpipe.notebook.magics import PipelineMagics
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.show.frontend import cell_id_of, way_of
from jupyter_mlpipe.notebook.show.output import MIME, CellOutput, Decoy
from jupyter_mlpipe.notebook.show.planview import plan_bundle, why_bundle
from jupyter_mlpipe.notebook.show.tracebacks import for_notebook, render
from jupyter_mlpipe.notebook.show.views import said_bundle
from jupyter_mlpipe.notebook.values.patches import Patches

_OURS = ("%%component", "%%parameters", "#| component:")

# Lines that show what is told of later: whatever comes of them, if only an error.
_LIVE = re.compile(
    r"^\s*(?:%%component|#\| component:|(?:\w+\s*=\s*)?%pipeline\s+(?:run|show|attach)\b)", re.MULTILINE
)

_SHOWN: dict[type, Callable[[Any], dict[str, Any]]] = {Plan: plan_bundle, Why: why_bundle}
_WORD = re.compile(r"[^\W\d]\w*")

_extension: Extension | None = None


def _as_in_a_cell(hook: Callable[..., None]) -> Callable[..., None]:
    """Let a hook import as a cell does: libraries call `get_ipython` to see where they are."""

    @functools.wraps(hook)
    def run(self: Extension, *arguments: Any) -> None:
        with self.shell.builtin_trap:
            hook(self, *arguments)

    return run


class Extension:
    """The hooks of one session in one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.session = Session(shell)
        self.session.check_line = partial(check_command, self.session)
        self._rejection: BaseException | None = None
        self._plain_cell = ""
        self._patches = Patches()

    def load(self) -> None:
        keep_quiet()
        shell = self.shell
        shell.register_magics(PipelineMagics(shell, self.session))
        shell.input_transformers_cleanup.append(_rewrite_comment_header)
        shell.ast_transformers.append(self)
        shell.events.register("pre_execute", self.before_request)
        shell.events.register("post_execute", self.after_request)
        shell.events.register("pre_run_cell", self.before_cell)
        shell.events.register("post_run_cell", self.after_cell)
        shell.configurables.append(self.session.config)
        self._stop_completing = complete_lines(shell.Completer, self.session)
        self._checker = KnownNameChecker(shell, self.session.is_known)
        make_figures_showable(shell)
        for shown, bundle in _SHOWN.items():
            shell.display_formatter.mimebundle_formatter.for_type(shown, bundle)
        self._patches.install()
        self.session.link.listen()
        if not self.session.headless.active:
            self.session.cells_comm.open()
        self._say_what_goes_on()

    def _say_what_goes_on(self) -> None:
        """Say which runs of the notebook an earlier kernel has left to processes of their own."""
        if self.session.headless.active:
            return
        for folder, text in self.session.runs.words_on_detached():
            CellOutput(self.shell).display(said_bundle(text, {"kind": "detached", "run": folder.id}))

    def unload(self) -> None:
        shell = self.shell
        for magic, kind in (("component", "cell"), ("parameters", "cell"), ("pipeline", "line")):
            shell.magics_manager.magics[kind].pop(magic, None)
        shell.input_transformers_cleanup.remove(_rewrite_comment_header)
        shell.ast_transformers.remove(self)
        shell.events.unregister("pre_execute", self.before_request)
        shell.events.unregister("post_execute", self.after_request)
        shell.events.unregister("pre_run_cell", self.before_cell)
        shell.events.unregister("post_run_cell", self.after_cell)
        shell.configurables.remove(self.session.config)
        self._stop_completing()
        shell.prefilter_manager.unregister_checker(self._checker)
        for shown in _SHOWN:
            shell.display_formatter.mimebundle_formatter.pop(shown, None)
        self._patches.remove()
        stop_keeping_quiet()
        self.session.auto.close()
        self.session.marks.close()
        self.session.cells.close()
        self.session.cells_comm.close()
        self.session.link.close()
        self.session.backend.close()

    @_as_in_a_cell
    def before_request(self) -> None:
        """Make ready what a silent request names: front ends send them, and no other hook sees them."""
        if self._is_comm_message():
            return
        self.session.bindings.settle()
        self.session.marks.pause()
        metadata = _request(self.shell, "metadata")
        self.session.cell_id, self.session.way = self._cell_of(metadata), way_of(metadata)
        content = _request(self.shell, "content")
        if content.get("silent"):
            self._make_ready(str(content.get("code", "")))

    @_as_in_a_cell
    def after_request(self) -> None:
        """Make ready what the request's expressions name; note what a silent one did."""
        if self._is_comm_message():
            self.session.marks.request()  # a widget's callback may have changed anything
            return
        self.session.marks.resume()
        content = _request(self.shell, "content")
        code = str(content.get("code", ""))
        if content.get("silent") and code.strip() and not code.lstrip().startswith(_OURS):
            names = self.session.names
            # Front ends look around after each cell: what is loaded is compared with the store only
            # where a request touches names of ours, itself or through a function.
            if any(names.owner(name) for name in names.reached_from(_WORD.findall(code))):
                self.session.note_plain_cell(self.shell.transform_cell(code))
        self._make_ready(" ".join(map(str, (content.get("user_expressions") or {}).values())))

    def _cell_of(self, metadata: Mapping[str, Any]) -> str | None:
        """Return what the kernel calls the cell that a request runs."""
        cell_id = cell_id_of(metadata)
        return self.session.notebooks.run_cell(_client(self.shell), cell_id) if cell_id else None

    def _is_comm_message(self) -> bool:
        """Tell whether a comm's message is what is done: in another thread, maybe, while a cell runs.

        IPython's events for requests are triggered for these, too.
        """
        return str(_request(self.shell, "header").get("msg_type", "")).startswith("comm_")

    def _make_ready(self, code: str) -> None:
        """Bind the outputs that a text names, where that can be done at once: nobody waits for it."""
        if not code.strip():
            return
        session = self.session
        session.collect()
        session.definitions.bring(session.definitions.names_in(code))
        pending = session.names.pending
        for name in pending.keys() & session.names.reached_from(_WORD.findall(code)):
            if pending[name].is_ready():
                with suppress(MLPipeError):
                    session.names.load([name])

    @_as_in_a_cell
    def before_cell(self, info: Any) -> None:
        """Load what the cell reads; a failed step makes the cell fail, see `visit`."""
        session = self.session
        if session.here.is_running:
            return  # a cell in a cell: `%%capture` runs its text so
        metadata = _request(self.shell, "metadata")
        client = _client(self.shell)
        session.components.forget_cells(
            session.notebooks.cell(client, gone) for gone in metadata.get("deletedCells") or ()
        )
        session.cell_id = self._cell_of(metadata) or getattr(info, "cell_id", None)
        session.way = way_of(metadata)
        text = info.raw_cell or ""
        session.decoy = None
        if session.way == "widget" and _LIVE.search(text) and "%%capture" not in text:
            session.decoy = Decoy()
            CellOutput(self.shell, session.decoy).begin()
        ours = "".join(component_first(text.lstrip().splitlines(True))).startswith(_OURS)
        code = _transformed(self.shell, info) or text
        self._plain_cell = "" if ours else code
        self._rejection = None
        session.cells_run.begin(info, session.cell_id)
        try:
            if ours:
                session.collect()
            else:
                session.before_cell(text, code)
        except MLPipeError as error:
            self._rejection = _reject(error)
        except KeyboardInterrupt:
            # A hook cannot interrupt its cell, but a rejected input does not run.
            self._rejection = _Interrupted()
        session.cells_run.start()

    def visit(self, tree: ast.AST) -> ast.AST:
        """Refuse to run a cell that reads what a failed step should have made (an AST transformer)."""
        if self._rejection is not None:
            rejection, self._rejection = self._rejection, None
            raise rejection
        return tree

    @_as_in_a_cell
    def after_cell(self, result: Any) -> None:
        """Note what a plain cell bound or changed."""
        if self.session.here.is_running:
            return
        # IPython has no result to give where Python could not compile the cell: nested too deeply.
        self.session.cells_run.end(has_failed=not getattr(result, "success", False))
        self.session.here.note_cell()
        if not self._plain_cell:
            return
        # Of a cell whose line was taken out: it is no step any more.
        self.session.components.forget_cells([self.session.cell_id or ""])
        self.session.note_plain_cell(self._plain_cell)
        self._patches.note(self._plain_cell, self.shell.user_ns)
        error = getattr(result, "error_in_exec", None)
        if isinstance(error, NameError) and (word := self.session.word_on_unkept(error.name or "")):
            CellOutput(self.shell).display({"text/plain": word, MIME: {"kind": "note"}})


def load(shell: Any) -> None:
    """Load the extension into a shell; loading it again changes nothing."""
    global _extension
    if _extension is None:
        _extension = Extension(shell)
        _extension.load()


def unload(shell: Any) -> None:
    """Take the extension out of a shell; what it computed stays in the store."""
    global _extension
    if _extension is not None:
        _extension.unload()
        _extension = None


def loaded_session() -> Session | None:
    """Return the session of this kernel, if the extension is loaded."""
    return _extension.session if _extension is not None else None


def current_session() -> Session:
    """Return the session of this kernel.

    Raises
    ------
    MLPipeError
        The extension is not loaded.
    """
    if _extension is None:
        raise MLPipeError("There is no pipeline here: run %load_ext jupyter_mlpipe in a notebook first.")
    return _extension.session


def _rewrite_comment_header(lines: list[str]) -> list[str]:
    """Turn a cell that begins with ``#| component: …`` into one with the magic on top.

    So is a cell whose ``%%component`` stands below another cell magic.
    """
    lines = component_first(lines)
    if len(lines) == 1 and lines[0].startswith("%%component"):
        # An empty cell is a cell: IPython refuses a cell magic with nothing below it.
        return [lines[0].rstrip("\n") + "\n", "\n"]
    found = comment_header("".join(lines))
    if found is None:
        return lines
    header, n_lines = found
    # The header's further lines stay as comments, so that line numbers remain those of the cell.
    first = next(i for i, line in enumerate(lines) if line.lstrip().startswith("#|"))
    del n_lines
    return [f"%%component {' '.join(header.split())}\n", *lines[first + 1 :]]


def _transformed(shell: Any, info: Any) -> str:
    """Return a cell as Python, magics made calls; empty where it is none."""
    if hasattr(info, "transformed_cell"):
        return info.transformed_cell or ""
    try:
        return str(shell.transform_cell(info.raw_cell or ""))  # older ones leave that to hooks
    except SyntaxError:
        return ""


def _reject(error: MLPipeError) -> InputRejected:
    shown = for_notebook(error)
    lines = render(error)
    rejected = type(type(shown).__name__, (InputRejected,), {"_render_traceback_": lambda self: lines})
    return rejected(str(error))  # type: ignore[no-any-return]


class _Interrupted(InputRejected):
    """The kernel was interrupted while a cell waited for the step that makes what it reads."""

    def __init__(self) -> None:
        super().__init__("interrupted while waiting for a step")


_Interrupted.__name__ = "KeyboardInterrupt"


def _client(shell: Any) -> str:
    """Return which client sent the running request."""
    return str(_request(shell, "header").get("session", ""))


def _request(shell: Any, part: str) -> dict[str, Any]:
    """Return a part of the running request; empty outside a kernel and with simple clients."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return dict((parent or {}).get(part) or {})
