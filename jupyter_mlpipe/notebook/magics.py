"""The magics: they parse, call the session, and show. Everything they do is also a function."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand

from jupyter_mlpipe.cells.header import header_help
from jupyter_mlpipe.cells.magics import LineMagic
from jupyter_mlpipe.errors import MLPipeError, StepError, UsageError
from jupyter_mlpipe.notebook.commands import help_text, run_command
from jupyter_mlpipe.notebook.making import make_component
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.tracebacks import for_notebook, syntax_error


@magics_class
class PipelineMagics(Magics):
    """``%%component``, ``%%parameters`` and ``%pipeline``."""

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self._shell = shell
        self.session = session

    @no_var_expand
    @cell_magic
    def component(self, line: str, cell: str) -> Any:
        # The docstring is what `%%component?` shows; it is set below from the table of options.
        try:
            return _said_in_a_cell(lambda: self._component(line, cell))
        except StepError as error:
            if error.ename != "UsageError":
                raise
            # Of a magic in the cell: shown as IPython shows it.
            raise IPythonUsageError(error.message + self._word_on_magic(error.message)) from None

    @no_var_expand
    @cell_magic
    def parameters(self, line: str, cell: str) -> None:
        """Declare parameters: one assignment a line, with an annotation if its values are to be checked.

        %%parameters
        seed = 7
        learning_rate: Annotated[float, Gt(0)] = 0.1

        They are ordinary variables of the notebook; `%pipeline run -p seed=8` and
        `jupyter mlpipe run NOTEBOOK -p seed=8` replace them.
        """
        if line.strip():
            raise IPythonUsageError(f"%%parameters takes nothing on its line, but found '{line.strip()}'.")
        _said_in_a_cell(lambda: self.session.components.declare_parameters(cell))

    @no_var_expand
    @line_magic
    def pipeline(self, line: str) -> Any:
        # The docstring is what `%pipeline?` shows; it is set below from the table of subcommands.
        return _said_in_a_cell(lambda: run_command(self.session, line))

    def _component(self, line: str, cell: str) -> None:
        session = self.session
        made = make_component(
            session,
            line,
            cell,
            cell_id=session.cell_id,
            title=f"Cell In[{self._shell.displayhook.prompt_count}]",
        )
        output = CellOutput(self._shell, session.decoy)
        if made.here is not None:
            if not session.cell_runs.run(made.component, output, made.here):
                # What they show is shown with the rest. Where the code ran, it ran them itself.
                self._run_in_kernel(replace(magic, is_repeated=True) for magic in made.for_kernel)
            return
        self._run_in_kernel(magic for magic in made.for_kernel if not magic.is_after)
        session.cell_runs.run(made.component, output)
        self._run_in_kernel(magic for magic in made.for_kernel if magic.is_after)

    def _word_on_magic(self, message: str) -> str:
        match = re.search(r"`(%+)(\w+)` not found", message)
        known = match and self._shell.find_magic(match[2], "cell" if match[1] == "%%" else "line")
        if not known:
            return ""
        return (
            " The notebook has it, but a step runs in a process of its own: load its extension in this cell, "
            "put --here behind %%component's name, or leave the cell without %%component."
        )

    def _run_in_kernel(self, magics: Iterable[LineMagic]) -> None:
        """Run what sets up the kernel, as a plain cell would have."""
        for magic in magics:
            if magic.is_followed:
                self._note_folder()
                continue
            self.session.before_cell(f"{magic.name} {magic.line}", "")
            before = dict(self._shell.user_ns)
            with redirect_stdout(io.StringIO()) if magic.is_repeated else nullcontext():
                # As the notebook's code: `%cd {name}` must find its names, and none of ours.
                call = f"get_ipython().run_line_magic({magic.name!r}, {magic.line!r})"
                value = eval(call, self._shell.user_ns)
            if magic.changes_names:
                self._note_names(before)
            if magic.is_last and not magic.is_repeated and value is not None:
                self._shell.displayhook(value)

    def _note_folder(self) -> None:
        """Note where the kernel is, as ``%cd`` does: ``%cd -`` leads back from there."""
        folders = self._shell.user_ns["_dh"]
        if not folders or str(folders[-1]) != os.getcwd():
            folders.append(Path.cwd())

    def _note_names(self, before: Mapping[str, Any]) -> None:
        """Note which names a magic has deleted or bound: they are the notebook's own from then on."""
        names, namespace = self.session.names, self._shell.user_ns
        for name in before.keys() - namespace.keys():
            names.drop(name)
        bound = [name for name, value in namespace.items() if name not in before or before[name] is not value]
        names.observe(bound, (), self.session.cell_id)


def _said_in_a_cell(act: Callable[[], Any]) -> Any:
    """Do it, with errors turned into what a cell shows: a message, or the user's own traceback."""
    try:
        return act()
    except UsageError as error:
        raise IPythonUsageError(str(error)) from None
    except SyntaxError as error:
        if hasattr(error, "_render_traceback_"):
            raise  # of code that ran in the kernel
        raise syntax_error(error) from None
    except MLPipeError as error:
        if hasattr(error, "_render_traceback_"):
            raise
        raise for_notebook(error) from None


PipelineMagics.component.__doc__ = header_help()
PipelineMagics.pipeline.__doc__ = help_text()
