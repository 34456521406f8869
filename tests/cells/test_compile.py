"""From a cell to a component, and contracts that a cell does not keep."""

from __future__ import annotations

import threading
import warnings
from textwrap import dedent
from typing import Any

import pytest

from jupyter_mlpipe.cells.compile import check_changes, compile_cell, drop_defaults, first_line
from jupyter_mlpipe.cells.decorator import component as decorate
from jupyter_mlpipe.cells.decorator import component_of
from jupyter_mlpipe.cells.header import parse_header
from jupyter_mlpipe.cells.source import may_warn, without_warnings
from jupyter_mlpipe.errors import ContractError
from jupyter_mlpipe.model.component import Component, Input


def compiled(header: str, body: str) -> Component:
    body = dedent(body)
    cell = f"%%component {header}\n{body}"
    return compile_cell(cell, header=parse_header(header), body=body, cell_id="c1", title="Cell 3")


def test_interface_is_inferred() -> None:
    component = compiled(
        "fit --cpus 2",
        """\
        import pandas as pd
        _scale = 2
        def helper(x): return x * _scale
        X = train[columns]
        model = Forest().fit(helper(X))
        state["n"] = len(X)
        log.append(1)
        """,
    )
    assert component.reads == ("train", "columns", "Forest", "state", "len", "log")
    assert component.outputs == ("X", "model", "state", "log")
    assert (component.changes, component.may_change) == (("state",), ("log",))
    assert [d.name for d in component.definitions] == ["pd", "helper"]
    assert not component.inputs_declared
    assert not component.outputs_declared
    assert component.options.resources.cpus == 2.0
    assert (component.cell_id, component.title, component.function) == ("c1", "Cell 3", None)


@pytest.mark.parametrize(
    ("body", "before", "postponed"),
    [
        ("x = 1", True, False),
        ("def f(a): return a", True, False),
        ("def f(a: Nowhere): return a", True, True),
        ("def f(a) -> Nowhere: return a", True, True),
        ("x: Nowhere = 1", True, True),
        ("x: int = 1", False, False),
        ("from __future__ import annotations\nx: Nowhere = 1", False, True),
    ],
)
def test_annotations_that_are_not_evaluated_read_nothing(body: str, before: bool, postponed: bool) -> None:
    component = compile_cell(body, header=parse_header("f"), body=body, postponed=before)
    assert component.postponed == postponed
    assert "Nowhere" not in component.reads


def test_code_keeps_the_lines_of_the_cell() -> None:
    component = compiled("f", "x = y\n")
    assert component.code == "\nx = y\n"
    assert first_line(component, "y") == 2
    assert first_line(component, "z") is None


def test_header_of_several_lines_moves_the_code_down() -> None:
    component = compile_cell("...", header=parse_header("f"), body="x = y", header_lines=3)
    assert component.code == "\n\n\nx = y"


def test_syntax_error_names_title_and_line() -> None:
    with pytest.raises(SyntaxError) as caught:
        compiled("f", "x = 1\ny = (")
    assert (caught.value.filename, caught.value.lineno) == ("Cell 3", 3)


def test_declared_outputs_are_taken_as_they_are() -> None:
    component = compiled("f(x) -> b", "a = x; b = a; x2 = 1")
    assert component.outputs == ("b",)
    assert component.inputs == (Input("x"),)


def test_outputs_leave_out_what_is_deleted() -> None:
    component = compiled("f", "a = 1; b = 2; del a, big")
    assert component.outputs == ("b",)
    assert component.deletes == ("a", "big")


def test_names_that_a_loop_may_have_bound_are_marked() -> None:
    assert compiled("f", "for i in xs: loss = i\nprint(loss)").may_read == ("loss",)


@pytest.mark.parametrize(
    ("header", "body", "said"),
    [
        ("f -> model", "mdl = 1", r"'model'.*never bound; the cell binds: 'mdl'.*Did you mean 'mdl'"),
        ("f -> model", "x", "binds: nothing"),
        ("f -> a", "a = 1\ndel a", "'a' of component 'f' is deleted"),
        ("f(df) -> n", "n = 1\ndf['x'] = n", r"changes its input 'df' in place \(line 3\).*'-> df, n'"),
        ("f(df) -> None", "d = df\nd['x'] = 1", r"'df' in place \(line 3\).*'-> df'"),
    ],
)
def test_contract_errors_name_what_does_not_fit(header: str, body: str, said: str) -> None:
    with pytest.raises(ContractError, match=f"(?s){said}"):
        compiled(header, body)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("f -> sin", "from math import *"),
        ("f -> x", "exec(code)"),
        ("f -> x", "get_ipython().run_line_magic('time', 'x = 1')"),
        ("f(df) -> df", "df['x'] = 1"),
        ("f(df) -> df", "clean(df)"),
        ("f -> x", "if c: x = 1"),
        ("f(df)", "df['x'] = 1"),
        ("f -> fig", "fig = 1; plt.rcParams['dpi'] = 1"),
    ],
)
def test_contracts_that_may_hold_are_left_alone(header: str, body: str) -> None:
    assert compiled(header, body).name == "f"


def test_changes_can_be_checked_once_it_is_known_what_holds_data() -> None:
    component = compiled("f -> n", "n = 1\ndf['x'] = n\nplt.rcParams['dpi'] = 1")
    check_changes(component, {"n"})
    with pytest.raises(ContractError, match=r"'df' in place \(line 3\)"):
        check_changes(component, {"df"})


def test_function_form_takes_its_interface_from_the_function() -> None:
    component = compiled(
        "clean_step -> clean --retries 1",
        """\
        '''What it does.'''
        import numpy as np
        @cached
        def clean(df: Table, low: float = LOW, *, k=1):
            return helper(df, low, np.pi, factor)
        """,
    )
    assert component.inputs == (Input("df", "Table"), Input("low", "float", "LOW"), Input("k", None, "1"))
    assert component.outputs == ("clean",)
    assert component.inputs_declared
    assert component.outputs_declared
    assert component.reads == ("cached", "Table", "float", "LOW", "helper", "factor")
    assert component.function == "clean"
    assert [d.name for d in component.definitions] == ["np"]
    assert component.options.retries == 1


def test_a_function_alone_is_defined_as_in_any_cell() -> None:
    component = compiled("tools", "def area(r):\n    return PI * r * r")
    assert component.function is None
    assert component.outputs == ()
    assert [d.name for d in component.definitions] == ["area"]
    assert component.may_read == ("PI",)


def test_a_decorated_function_is_the_component_without_a_word_on_its_outputs() -> None:
    @decorate
    def clean(df, low=1):  # type: ignore[no-untyped-def]
        return df, low

    component = component_of(clean)
    assert component.function == "clean"
    assert component.outputs == ("clean",)


def test_function_form_with_named_outputs_keeps_the_function_a_definition() -> None:
    component = compiled("f -> a, b", "async def g(x):\n    return x, 1")
    assert (component.outputs, component.function) == (("a", "b"), "g")
    assert [d.name for d in component.definitions] == ["g"]


def test_arguments_that_the_function_changes_are_its_own() -> None:
    assert compiled("f -> df", "def g(df):\n    df['x'] = 1\n    return df").changes == ()


def test_globals_that_the_function_changes_are_changes() -> None:
    assert compiled("f -> n", "def g(n):\n    state['x'] = n\n    return n").changes == ("state",)


@pytest.mark.parametrize("body", ["def g(): pass\nx = 1", "def g(): pass\ndef h(): pass", "x = 1"])
def test_anything_beside_the_function_makes_it_a_plain_cell(body: str) -> None:
    assert compiled("f", body).function is None


@pytest.mark.parametrize(
    ("header", "body", "said"),
    [
        ("f(x)", "def g(x): return x", "Keep those of the function"),
        ("f -> y", "def g(*xs): return xs", r"'\*xs' cannot be an input"),
        ("f -> y", "def g(x, /): return x", "leave out the '/'"),
        ("f -> y", "def g(x):\n    yield x", r"generator \(line 3\)"),
        ("f -> y", "async def g(x):\n    yield x", "generator"),
        ("f -> a, b", "def g(x):\n    return x, 1, 2", "2 outputs.*returns 3 on line 3"),
        ("f -> a, b", "def g(x):\n    if x: return\n    return x, 1", "returns 0 on line 3"),
        ("f -> a", "def g(x):\n    print(x)", "returns no value"),
    ],
)
def test_function_form_errors(header: str, body: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        compiled(header, body)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("f -> a, b", "def g(x):\n    return h(x)"),
        ("f -> a, b", "def g(x):\n    return *x, 1"),
        ("f -> a", "def g(x):\n    return x, 1"),
        ("f -> None", "def g(x):\n    print(x)"),
        ("f -> a, b", "def g(x):\n    def h():\n        yield 1\n        return 1\n    return x, h"),
        ("f -> a", "def g(x):\n    raise NotImplementedError"),
    ],
)
def test_function_form_that_fits(header: str, body: str) -> None:
    assert compiled(header, body).function == "g"


def test_defaults_that_name_a_producer_can_be_dropped() -> None:
    body = "def g(df=load.df, k=np.pi,\n      m=other\n      .m, é='ü'):\n    return df, k, m, é"
    component = compiled("f", body)
    assert component.reads == ("load", "np", "other")
    dropped = drop_defaults(component, {"df", "m"})
    assert dropped.reads == ("np",)
    assert dropped.inputs == component.inputs
    assert dropped.code == "\ndef g(df=None, k=np.pi,\n      m=None\n, é='ü'):\n    return df, k, m, é"
    assert drop_defaults(compiled("f", "x = 1"), {"x"}).code == "\nx = 1"


@pytest.mark.parametrize(
    ("body", "shows"),
    [
        ("x", True),
        ("x;", False),
        ("x = 1", False),
        ("print(x)\ny = 1", False),
        ("display(x)\ny = 1", True),
        ("plt.plot(x);", True),
        ("import matplotlib.pyplot\ny = 1", True),
        ("fig.show();", True),
        ("get_ipython().system('ls');", True),
        ("def g(x):\n    display(x)\n    return x", True),
    ],
)
def test_shows_where_something_may_be_displayed(body: str, shows: bool) -> None:
    assert compiled("f", body).shows is shows


def test_which_warnings_are_shown_is_not_changed_from_another_thread() -> None:
    seen: list[bool] = []

    def look() -> None:
        before = [*warnings.filters]
        with without_warnings():
            seen.append(warnings.filters == before)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [True]
    assert may_warn("'\\d'")
    assert may_warn("1if x else 2")
    assert not may_warn("x = 'a' if 1 in y else f(2)")


def test_parsing_does_not_have_a_warning_shown_again() -> None:
    shown: dict[str, Any] = {"__warningregistry__": {}}
    warn = "import warnings\nwarnings.warn('once')"
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(2):
            with without_warnings():
                compile(r"'\d'", "<cell>", "exec")
            exec(compile(warn, "<cell>", "exec"), shown)
    assert [str(one.message) for one in found] == ["once"]
