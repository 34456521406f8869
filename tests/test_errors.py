"""Every error survives the way between processes, and has a place in the tree of the docstring."""

from __future__ import annotations

import inspect
import pickle

import pytest

from jupyter_mlpipe import errors

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.MLPipeError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_survives_pickling(cls: type[errors.MLPipeError]) -> None:
    again = pickle.loads(pickle.dumps(cls("what was asked, what was found, what to do")))
    assert type(again) is cls
    assert str(again) == "what was asked, what was found, what to do"


def test_a_step_error_keeps_step_cell_and_traceback() -> None:
    error = errors.StepTimeoutError(
        "too long", step="fit", cell_id="c1", ename="TimeoutError", traceback=("line 1", "line 2")
    )
    again = pickle.loads(pickle.dumps(error))
    assert vars(again) == vars(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_tree_shows_each_class(cls: type[errors.MLPipeError]) -> None:
    assert errors.__doc__ is not None
    assert cls.__name__ in errors.__doc__
