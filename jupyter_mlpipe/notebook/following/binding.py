"""Widgets that set parameters as they move: `mlpipe.bind`.

A parameter has one value, and what was done last wins: moving the widget sets the parameter; running the
``%%parameters`` cell sets it as well, and moves the widget. What a header gives as a default is no statement
that is run: it counts again when it is another one. The parameter follows between cells, never within one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.errors import ParameterError, UsageError
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.notebook.following.marks import io_loop
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.views import said_bundle
from jupyter_mlpipe.notebook.steps.names import PARAMETERS
from jupyter_mlpipe.notebook.steps.parameters import Declared, Text, check_known, convert

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_PAUSE_S = 0.05  # between two values that are taken from a widget
_TIMES_COST = 4  # of a plan, as between cells
Written = tuple[str | None, str | None]
"""Annotation and default of a parameter, as a header has them."""


class Binding:
    """One parameter or several that follow widgets, until `unbind`.

    Attributes
    ----------
    errors
        By parameter, why it does not have the value that its widget shows.
    """

    def __init__(self, bound: Iterable[_Bound]) -> None:
        self._bound = tuple(bound)

    def unbind(self) -> None:
        """Let the widgets go; the parameters keep their values until their cells are run."""
        for bound in self._bound:
            bound.end()

    @property
    def errors(self) -> dict[str, str]:
        return {bound.name: bound.error for bound in self._bound if bound.error}

    def __repr__(self) -> str:
        parts = [f"{b.name} = {b.shown()}" if b.is_live else f"{b.name}: unbound" for b in self._bound]
        return f"<Binding: {', '.join(parts)}>"


class Bindings:
    """The widgets of a notebook, by the parameter that each sets."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bound: dict[str, _Bound] = {}
        self._left: set[str] = set()  # unbound, with a value that still stands above the default

    def bind(self, widgets: Mapping[str, Any]) -> Binding:
        """Bind widgets to parameters, whose values they show from then on; see `mlpipe.bind`."""
        check_known(widgets, self._session.registry.parameter_names())
        for name, widget in widgets.items():
            _check_widget(name, widget)
            self._check_default(name)
        shown = {name: widget.value for name, widget in widgets.items()}
        try:
            for name, widget in widgets.items():
                if word := self.show(name, widget):
                    raise ParameterError(
                        f"{word} Give the widget another range, or the parameter a value in it."
                    )
        except ParameterError:
            for name, widget in widgets.items():
                widget.value = shown[name]
            raise
        output = CellOutput(self._session.shell)
        made = []
        for name, widget in widgets.items():
            if name in self._bound:
                self._bound[name].end()
            self._left.discard(name)
            self._bound[name] = _Bound(self, name, widget, self._written(name), output)
            made.append(self._bound[name])
        return Binding(made)

    def settle(self) -> None:
        """Take the values of widgets that have moved: a cell that begins finds the parameters so."""
        for bound in list(self._bound.values()):
            bound.take()

    def note_declared(self, names: Iterable[str]) -> None:
        """Note that a parameters cell has set names: their widgets show that."""
        for name in names:
            if name in self._bound:
                self._bound[name].follow()

    @contextmanager
    def giving_way(self, component: Component) -> Iterator[None]:
        """Register a component within the block: where its header gives other defaults, these count."""
        registry = self._session.registry
        written = {i.name: (i.annotation, i.default) for i in component.inputs if i.default is not None}
        taken: dict[str, Any] = {}
        for name in [n for n in (*self._bound, *self._left) if n not in registry.parameters]:
            step, dot, own = name.rpartition(".")
            if own not in written or (dot and step != component.name):
                continue
            bound = self._bound.get(name)
            # Of a component that is new, the value counts as any that is given by name.
            known = bound.written.get(component.name, written[own]) if bound is not None else None
            if known != written[own] and name in registry.overrides:
                taken[name] = registry.overrides.pop(name)
        try:
            yield
        except BaseException:
            registry.overrides.update(taken)
            raise
        self._left -= taken.keys()
        for name, bound in list(self._bound.items()):
            bound.written = self._written(name)
            if name in taken:
                bound.follow()

    def set(self, name: str, given: Any) -> bool:
        """Give a parameter the value of its widget; tells whether it is another one.

        Raises
        ------
        ParameterError
            It does not fit what the parameter is declared as, or there is no such parameter any more.
        """
        registry, names = self._session.registry, self._session.names
        check_known([name], registry.parameter_names())
        values = [_from_widget(declared, given) for declared in self._declared(name)]
        if _is_same(self.value(name), values[0]):
            return False
        if (parameter := registry.parameters.get(name)) is not None:
            registry.parameters[name] = replace(parameter, value=values[0])
            registry.overrides.pop(name, None)
            names.bind(name, values[0], PARAMETERS)
        else:
            registry.overrides[name] = values[0]
        return True

    def value(self, name: str) -> Any:
        """Return the value that a parameter has now."""
        registry = self._session.registry
        check_known([name], registry.parameter_names())
        declared = self._declared(name)[0]
        if name in registry.overrides:
            return convert(declared, registry.overrides[name])
        return declared.value

    def show(self, name: str, widget: Any) -> str:
        """Let a widget show what its parameter is; says why it cannot."""
        value = self.value(name)
        kind = type(widget).__name__
        try:
            widget.value = str(value) if isinstance(widget.value, str) else value
            if _is_same(_from_widget(self._declared(name)[0], widget.value), value):
                return ""
            stands = f"it stands at {widget.value!r}"
        except Exception as error:  # whatever a widget raises, traitlets' own errors among it
            stands = str(error) or type(error).__name__
        return f"Parameter '{name}' is {value!r}, which the {kind} cannot show: {stands}."

    def drop(self, bound: _Bound) -> None:
        """Note that a widget was let go."""
        if self._bound.get(bound.name) is bound:
            del self._bound[bound.name]
            if bound.name in self._session.registry.overrides:
                self._left.add(bound.name)

    def pause_s(self) -> float:
        """Return how long to wait for further values of a widget that moves."""
        return max(_PAUSE_S, _TIMES_COST * self._session.marks.seconds)

    @property
    def session(self) -> Session:
        return self._session

    def _written(self, name: str) -> dict[str, Written]:
        """Return by component what its header gives for a parameter."""
        own = name.rpartition(".")[2]
        return {
            component: (i.annotation, i.default)
            for component, placed in self._session.registry.placed.items()
            for i in placed.component.inputs
            if i.name == own
        }

    def _declared(self, name: str) -> list[Declared]:
        """Return how a parameter is declared: by the parameters cell, then by the steps that read it."""
        registry = self._session.registry
        step, dot, own = name.rpartition(".")
        steps = [registry.placed[step]] if dot and step in registry.placed else registry.placed.values()
        common = [] if dot or name not in registry.parameters else [registry.parameters[name]]
        return [*common, *(placed.declared[own] for placed in steps if own in placed.declared)]

    def _check_default(self, name: str) -> None:
        """Refuse a name that stands for different values in different steps: which one would be shown?"""
        registry = self._session.registry
        found = self._declared(name)
        if name in {*registry.parameters, *registry.overrides}:
            return
        if not all(_is_same(found[0].value, other.value) for other in found):
            steps = [step for step, placed in registry.placed.items() if name in placed.declared]
            raise ParameterError(
                f"Parameter '{name}' has not the same default in {', '.join(steps)}: say which is meant, "
                f"such as '{steps[0]}.{name}', or declare it in a %%parameters cell."
            )


class _Bound:
    """One widget and the parameter that it sets."""

    def __init__(
        self, bindings: Bindings, name: str, widget: Any, written: dict[str, Written], output: CellOutput
    ) -> None:
        self.name = name
        self.written = written
        self.error = ""
        self.is_live = True
        self._bindings = bindings
        self._widget = widget
        self._output = output
        self._display_id = f"mlpipe-binding-{id(self)}"
        self._is_shown = False
        self._is_due = False
        self._is_led = False
        self._hear: Callable[..., None] = lambda *change, **more: self._moved()
        widget.observe(self._hear, "value")

    def shown(self) -> str:
        return repr(self._bindings.value(self.name))

    def follow(self) -> None:
        """Let the widget show what the parameter is."""
        if _is_closed(self._widget):
            self.end()
        else:
            self._is_led = True  # what it cannot show, it shows otherwise: that is no move
            try:
                self._say(self._bindings.show(self.name, self._widget))
            finally:
                self._is_led = False

    def end(self) -> None:
        """Let the widget go; may be called twice."""
        if self.is_live:
            self.is_live = False
            if hasattr(self._widget, "unobserve"):
                self._widget.unobserve(self._hear, "value")
            self._say("")
            self._bindings.drop(self)

    def _moved(self) -> None:
        """Take the widget's value soon, from any thread: as one drags, a few times a second."""
        loop = io_loop(self._bindings.session.shell)
        if self._is_led:
            return
        if loop is None:
            self._is_due = True
            self.take()  # a terminal: nothing comes by between two cells
        elif not self._is_due:
            self._is_due = True
            loop.add_callback(lambda: loop.call_later(self._bindings.pause_s(), self._take_later))

    def _take_later(self) -> None:
        session = self._bindings.session
        if session.marks.is_busy:
            io_loop(session.shell).call_later(_PAUSE_S, self._take_later)  # a cell that awaits something
        else:
            self.take()
            session.marks.look_now()

    def take(self) -> None:
        """Give the parameter the widget's value, where that has moved."""
        if not (self._is_due and self.is_live):
            return
        self._is_due = False
        try:
            is_other = self._bindings.set(self.name, self._widget.value)
        except ParameterError as error:
            self._say(f"{error} It stays {self._kept()}.")
            return
        self._say("")
        if is_other:
            self._bindings.session.marks.request()

    def _kept(self) -> str:
        try:
            return self.shown()
        except ParameterError:
            return "as it was"

    def _say(self, error: str) -> None:
        """Show below the cell that has bound the widget what is wrong; nothing where all is well."""
        if error == self.error:
            return
        self.error = error
        bundle = said_bundle(error, {"kind": "binding", "parameter": self.name, "error": error})
        if self._is_shown:
            self._output.update(bundle, display_id=self._display_id)
        elif self._output.is_kernel:
            self._is_shown = True
            self._output.display(bundle, display_id=self._display_id)


def _check_widget(name: str, widget: Any) -> None:
    if not callable(getattr(widget, "observe", None)) or not hasattr(widget, "value"):
        raise UsageError(
            f"mlpipe.bind: '{name}' needs a widget, such as ipywidgets.FloatSlider(): something with a value "
            f"that can be observed. Found {type(widget).__name__}."
        )
    if _is_closed(widget):
        raise UsageError(f"mlpipe.bind: the {type(widget).__name__} for '{name}' is closed: make it anew.")


def _is_closed(widget: Any) -> bool:
    """Tell whether a widget of ipywidgets was closed; others have no comm."""
    return hasattr(widget, "close") and getattr(widget, "comm", widget) is None


def _from_widget(declared: Declared, given: Any) -> Any:
    """Return a widget's value as the parameter takes it: text is read as after ``-p``."""
    if not isinstance(given, str):
        return convert(declared, given)
    if declared.annotation is None:
        return convert(declared, given if isinstance(declared.value, str) else Text(given))
    try:
        return convert(declared, given)
    except ParameterError:
        return convert(declared, Text(given))


def _is_same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # values of any type: what cannot be compared is another one
        return one is other
