"""The magics: they parse, call the session, and show. Everything they do is also a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand

from jupyter_mlpipe.cells.header import header_help, parse_header
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.notebook.commands import help_text, run_command
from jupyter_mlpipe.notebook.output import CellOutput
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.tracebacks import for_notebook, syntax_error


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
        return _said_in_a_cell(lambda: self._component(line, cell))

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
        _said_in_a_cell(lambda: self.session.declare_parameters(cell))

    @no_var_expand
    @line_magic
    def pipeline(self, line: str) -> Any:
        # The docstring is what `%pipeline?` shows; it is set below from the table of subcommands.
        return _said_in_a_cell(lambda: run_command(self.session, line))

    def _component(self, line: str, cell: str) -> None:
        session = self.session
        header = parse_header(line)
        output = CellOutput(self._shell)
        component = session.component(
            header,
            f"%%component {line}\n{cell}",
            self._to_python(cell),
            cell_id=session.cell_id,
            title=f"Cell In[{self._shell.displayhook.prompt_count}]",
        )
        session.run_cell(component, output)

    def _to_python(self, cell: str) -> str:
        """Turn ``!command`` and ``%magic`` lines into Python, as IPython would."""
        first = next((line for line in cell.splitlines() if line.strip()), "")
        if first.lstrip().startswith("%%"):
            raise UsageError(
                f"%%component cannot stand above another cell magic ('{first.split()[0]}'). "
                "Leave that line out, or leave this cell without %%component."
            )
        return str(self._shell.transform_cell(cell))


def _said_in_a_cell(act: Callable[[], Any]) -> Any:
    """Do it, with errors turned into what a cell shows: a message, or the user's own traceback."""
    try:
        return act()
    except UsageError as error:
        raise IPythonUsageError(str(error)) from None
    except SyntaxError as error:
        raise syntax_error(error) from None
    except MLPipeError as error:
        raise for_notebook(error) from None


PipelineMagics.component.__doc__ = header_help()
PipelineMagics.pipeline.__doc__ = help_text()
