"""IPython inside a step process, made when something asks for it: most steps never import it."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import io
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn

from jupyter_mlpipe.execution.process.capture import Capture
from jupyter_mlpipe.execution.process.figures import INLINE_BACKEND, make_figures_showable
from jupyter_mlpipe.execution.process.frontend import frontend_for_caller
from jupyter_mlpipe.execution.process.outputs import (
    OURS,
    display_output,
    error_output,
    plain,
    result_output,
)
from jupyter_mlpipe.keys.late import call_after

_WIDGET = "application/vnd.jupyter.widget-view+json"
_SHELL_MODULE = "IPython.core.interactiveshell"
_LOOK_FOR_A_SHELL = ("matplotlib_inline.backend_inline", "plotly.io._renderers")
_BUILTINS = ("__IPYTHON__", "display")  # that a shell brings with it


class LazyShell:
    """Gives the step `get_ipython`, `display` and rich results, with the step's names as user namespace.

    Parameters
    ----------
    titles
        By file name, what tracebacks call a cell: ``Cell In[5]``.
    """

    def __init__(self, capture: Capture, module: ModuleType, titles: Mapping[str, str]) -> None:
        self.capture = capture
        self.module = module
        self.titles = titles
        self.result: object = None
        self._told_of_widgets = False
        self._shell: Any = None
        self._making = False
        self._formats_result = False

    def install(self) -> None:
        """Make displays and figures arrive as in a kernel, whoever asks for them."""
        builtins.get_ipython = self._asked_for  # type: ignore[attr-defined]
        builtins.display = self._display  # type: ignore[attr-defined]
        sys.stdin = NoInput()
        sys.breakpointhook = _refuse_input
        os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)
        for name in _LOOK_FOR_A_SHELL:
            # Preloaded, it would have found none.
            sys.modules.pop(name, None)
        if _SHELL_MODULE in sys.modules:
            self._arm(sys.modules[_SHELL_MODULE])
        else:
            sys.meta_path.insert(0, _ArmAtImport(self))

    def _arm(self, module: ModuleType) -> None:
        # Libraries ask `InteractiveShell.initialized()` before they display: from then on there is one.
        def initialized(_cls: type) -> bool:
            return self._making or self.get() is not None

        make = module.InteractiveShell.instance.__func__

        def instance(cls: type, *arguments: Any, **options: Any) -> Any:
            return make(cls, *arguments, **options) if self._making else self.get()

        module.InteractiveShell.initialized = classmethod(initialized)
        module.InteractiveShell.instance = classmethod(instance)

    def get(self) -> Any:
        """Return the shell, made at first use."""
        if self._shell is None and not self._making:
            self._making = True
            try:
                self._shell = _bind(_made_ahead.pop() if _made_ahead else _make_shell(), self)
            finally:
                self._making = False
        return self._shell

    def _asked_for(self) -> Any:
        """Return the shell, or what stands for it where that will do: IPython need not be loaded then."""
        return frontend_for_caller() or self.get()

    @property
    def interactivity(self) -> str:
        """Which expressions of a cell are shown, in IPython's words."""
        return str(self._shell.ast_node_interactivity) if self._shell is not None else "last_expr"

    def _display(self, *objects: object, **options: Any) -> Any:
        self.get()
        import IPython.display

        show: Any = IPython.display.display
        return show(*objects, **options)

    def show_result(self, value: object) -> None:
        """Show the value of the last expression, and keep it."""
        self.result = value
        if value is None:
            return
        shell = self.get()
        self._formats_result = True
        try:
            formats, metadata = shell.display_formatter.format(value)
        finally:
            self._formats_result = False
        if _WIDGET in formats:
            del formats[_WIDGET]
            self.tell_of_widgets()
        if formats:
            self.capture.show(result_output(formats, metadata))

    def show_error(self, error: type[BaseException], value: object, traceback: Sequence[str]) -> None:
        """Show an error that IPython has caught: a value cannot be shown in one of its forms."""
        output = error_output(error.__name__, str(value), traceback, fails_cell=self._formats_result)
        self.capture.show(output)

    def tell_of_widgets(self) -> None:
        """Say once why a widget is shown as text."""
        if not self._told_of_widgets:
            self._told_of_widgets = True
            word = (
                "A widget that a step makes has nothing to talk to once the step's process has ended: it is "
                "shown as text. To have it live, put --here behind the component's name, or leave this cell "
                "without %%component."
            )
            data = {"text/plain": word, OURS: {"kind": "note"}}
            self.capture.show({"output_type": "display_data", "data": data, "metadata": {}})

    def page(self, text: Any, start: int = 0, *_ignored: object, **_options: object) -> None:
        """Leave what IPython would page to the front end, which shows it as it likes."""
        data = text if isinstance(text, Mapping) else {"text/plain": text}
        self.capture.show({"output_type": "page", "data": plain(data), "start": max(0, start)})

    def end_cell(self) -> None:
        """Tell IPython that the cell is done: open figures are shown then."""
        if self._shell is not None:
            self._shell.events.trigger("post_execute")
            self._shell.events.trigger("post_run_cell", None)


class StdinNotImplementedError(NotImplementedError):
    """What a kernel raises too where nobody can be asked."""


def _refuse_input(*_arguments: object, **_options: object) -> NoReturn:
    raise StdinNotImplementedError(
        "A step cannot ask for input: input(), breakpoint() and the like have nobody to talk to, for the "
        "step runs in a process of its own, or is reused without being run. Declare the value in a "
        "%%parameters cell, or put --here behind the component's name to run it in the kernel itself."
    )


class NoInput(io.TextIOBase):
    """`sys.stdin` of a step: reading it is an error, at once."""

    name = "<stdin>"
    encoding = "utf-8"
    errors = "strict"

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def read(self, size: int | None = -1, /) -> str:
        _refuse_input()

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        _refuse_input()


class _ArmAtImport(importlib.abc.MetaPathFinder):
    def __init__(self, lazy: LazyShell) -> None:
        self._lazy = lazy

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _SHELL_MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None:
            call_after(spec, self._lazy._arm)
        return spec


_made_ahead: list[Any] = []


def make_shell_ahead() -> None:
    """Make the shell of the steps to come where IPython is loaded: it takes longer than most steps do.

    Until a step takes it, nothing finds it: what is imported meanwhile must not tie itself to it.
    """
    if _SHELL_MODULE in sys.modules and not _made_ahead:
        shell = _make_shell()
        shell.display_formatter.format(1)  # its parts are made at first use
        _made_ahead.append(shell)
    for shell in _made_ahead:
        _render_ahead(shell)


def read_ahead(files: Iterable[str]) -> None:
    """Read what tracebacks have quoted, as IPython does: a large file of a library takes half a second."""
    if _SHELL_MODULE not in sys.modules:
        return
    try:
        from stack_data.core import Source
    except ModuleNotFoundError:
        return  # an IPython before 8 reads what it quotes by itself

    for path in files:
        with contextlib.suppress(Exception):  # the step that quotes it tells what is wrong
            getattr(Source.for_filename(path), "pieces")  # noqa: B009 - stack_data says nothing of its type


def _render_ahead(shell: Any) -> None:
    """Render an error: what that looks up, for all modules there are, takes longer than most steps do."""
    try:
        # As a cell does, in a file of no module: it is looked for in all that were loaded since.
        exec(compile("raise LookupError", "<ahead>", "exec"))
    except LookupError as error:
        shell.InteractiveTB.structured_traceback(LookupError, error, error.__traceback__, tb_offset=0)
        shell.InteractiveTB.tb = None


def _bind(shell: Any, lazy: LazyShell) -> Any:
    """Make a shell that of a step: with its names, in its folder."""
    shell.lazy, shell.compile.titles = lazy, lazy.titles
    for kind in type(shell)._walk_mro():
        kind._instance = shell
    names = lazy.module.__dict__
    before = dict(names)
    with contextlib.suppress(FileNotFoundError):
        shell.starting_dir = os.getcwd()
        shell.history_manager.dir_hist[:] = [pathlib.Path.cwd()]
    shell.init_create_namespaces(lazy.module, names)
    shell.init_user_ns()
    shell.init_builtins()
    shell.Completer.namespace, shell.Completer.global_namespace = names, names
    # IPython binds names such as `_`, `In` and `exit`; the step's own come first.
    names.update(before)
    shell.builtin_trap.auto_builtins["get_ipython"] = lazy._asked_for
    return shell


def _make_shell() -> Any:
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.page import as_hook
    from traitlets import Type
    from traitlets.config import Config

    class StepCompiler(CachingCompiler):
        titles: Mapping[str, str] = MappingProxyType({})

        def format_code_name(self, name: str) -> tuple[str, str] | None:
            title = self.titles.get(name)
            if title is None:
                found: tuple[str, str] | None = super().format_code_name(name)
                return found
            label, _, rest = title.partition(" ")
            return label, rest

    class StepDisplayHook(DisplayHook):
        shell: Any

        def __call__(self, result: object = None) -> None:
            self.shell.lazy.show_result(result)

    class StepDisplayPublisher(DisplayPublisher):
        shell: Any

        def publish(
            self,
            data: Mapping[str, Any],
            metadata: Mapping[str, Any] | None = None,
            *_ignored: object,
            transient: Mapping[str, Any] | None = None,
            update: bool = False,
            **_options: object,
        ) -> None:
            if _WIDGET in data:
                data = {kind: shown for kind, shown in data.items() if kind != _WIDGET}
                self.shell.lazy.tell_of_widgets()
            output = display_output(data, metadata, transient=transient, update=update)
            self.shell.lazy.capture.show(output)

        def clear_output(self, wait: bool = False) -> None:
            self.shell.lazy.capture.show({"output_type": "clear_output", "wait": wait})

    class StepShell(InteractiveShell):
        compiler_class = Type(StepCompiler)
        displayhook_class = Type(StepDisplayHook)
        display_pub_class = Type(StepDisplayPublisher)
        lazy: LazyShell

        def init_sys_modules(self) -> None:
            """Leave `__main__` alone: it is the step's already, or that of the fork server."""

        def init_virtualenv(self) -> None:
            """Leave the path for imports alone: the kernel has told the step's."""

        def page(self, text: Any, start: int = 0, *_ignored: object, **_options: object) -> None:
            self.lazy.page(text, start)

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            self.lazy.show_error(etype, evalue, stb)

        def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
            # As within a kernel's cell: what replaces `sys.displayhook` for a while must be asked.
            with self.display_trap:
                return super().run_cell_magic(magic_name, line, cell)  # type: ignore[no-untyped-call]

        def run_magic_quietly(self, name: str, line: str) -> None:
            """Run a magic that the kernel has run too, and shown."""
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self.run_line_magic(name, line, _stack_depth=2)

        def run_magic_followed(self, name: str, line: str) -> None:
            """Run a magic of which the kernel is told where it led."""
            self.run_line_magic(name, line, _stack_depth=2)

        def enable_gui(self, gui: str | None = None) -> None:
            """Do as a kernel with inline figures: ``%matplotlib inline`` has no windows to serve."""

    # By these names libraries tell whether pictures can be shown: rich and plotly do.
    StepShell.__name__, StepShell.__module__ = "ZMQInteractiveShell", "ipykernel.zmqshell"
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "neutral"
    found = {name: vars(builtins)[name] for name in _BUILTINS if name in vars(builtins)}
    shell = StepShell(config=config, user_module=ModuleType("__main__"))  # type: ignore[no-untyped-call]
    for name in _BUILTINS:
        vars(builtins).pop(name, None)
    vars(builtins).update(found)
    make_figures_showable(shell)
    shell.set_hook("show_in_pager", as_hook(shell.page), 99)  # type: ignore[no-untyped-call]
    return shell
