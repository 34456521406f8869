"""Parameters: values that a cell declares, checked by their annotations, replaced by ``-p``."""

from __future__ import annotations

import ast
import os
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.errors import ContractError, ParameterError, UsageError, close_matches
from jupyter_mlpipe.model.component import Input
from jupyter_mlpipe.model.files import File, Folder, Place

if TYPE_CHECKING:
    import pydantic


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter as declared: its default, and its annotation where it has one."""

    name: str
    value: Any
    annotation: Any = None
    written: str = ""  # the annotation as written, for messages


class Text(str):
    """A value given as text (``-p``): what it means depends on the parameter's annotation."""

    __slots__ = ()


def declare(declared: Input, namespace: Mapping[str, Any]) -> Declared:
    """Evaluate a declaration in the notebook's namespace and check its default.

    Raises
    ------
    ParameterError
        The default or the annotation cannot be evaluated, or they do not fit.
    """
    scope = {**_WELL_KNOWN, **dict(namespace)}
    value = _evaluate(declared.name, "default", declared.default or "None", scope)
    if declared.annotation is None:
        return Declared(declared.name, value)
    annotation = _evaluate(declared.name, "annotation", declared.annotation, scope)
    parameter = Declared(declared.name, value, annotation, declared.annotation)
    # The default itself stays as written: `x: float = 1` is 1 in a cell. A path becomes a File all the same.
    checked = _validate(parameter, value)
    return replace(parameter, value=checked) if isinstance(checked, Place) else parameter


def convert(parameter: Declared, given: Any) -> Any:
    """Return the value to use where `given` replaces the default.

    Text is read by the annotation; without one, as a Python literal where it is one.

    Raises
    ------
    ParameterError
        The value does not fit the annotation.
    """
    value = given
    if isinstance(given, Text):
        value = str(given)
        is_path = parameter.annotation is None and isinstance(parameter.value, Place)
        if parameter.annotation not in (str, File, Folder) and not is_path:
            try:
                value = ast.literal_eval(str(given))
            except (ValueError, SyntaxError, MemoryError):
                value = _WORDS.get(str(given).lower(), str(given))
    if parameter.annotation is not None:
        if isinstance(given, Text) and isinstance(parameter.value, Place) and value is not None:
            value = str(given)  # a file may be called 2024
        return _validate(parameter, value)
    if isinstance(parameter.value, Place) and isinstance(value, str | os.PathLike):
        return value if isinstance(value, Place) else type(parameter.value)(value)
    if isinstance(parameter.value, float) and type(value) is int:
        return float(value)
    return value


def chosen_value(
    step: str, name: str, *, own: Declared | None, common: Declared | None, overrides: Mapping[str, Any]
) -> Any:
    """Return the value of a parameter in a step.

    Parameters
    ----------
    own, common
        What the step declares, and what the notebook does; at least one is given.
    overrides
        Values by ``name``, or by ``step.name``, which comes first.
    """
    qualified = f"{step}.{name}"
    declared = own or common
    assert declared is not None
    if qualified in overrides:
        return convert(declared, overrides[qualified])
    if name in overrides:
        return convert(declared, overrides[name])
    if own is not None and common is not None:
        return convert(own, common.value)
    return declared.value


def check_type(component: str, declared: Input, value: Any, namespace: Mapping[str, Any]) -> None:
    """Refuse a notebook value that is not of the type which a signature gives its input.

    Raises
    ------
    ContractError
        Says what was declared and what was found.
    """
    import pydantic

    if declared.annotation is None:
        return
    scope = {**_WELL_KNOWN, **dict(namespace)}
    annotation = _evaluate(declared.name, "annotation", declared.annotation, scope)
    try:
        _adapter(annotation).validate_python(value, strict=True)
    except pydantic.ValidationError:
        if annotation in (File, Folder) and isinstance(value, str | os.PathLike):
            kind = annotation.__name__
            raise ContractError(
                f"Component '{component}' declares its input '{declared.name}' as {kind}, but the notebook's "
                f"'{declared.name}' is a path as text. Write it as {kind}: "
                f"{declared.name} = mlpipe.{kind}({str(value)!r})"
            ) from None
        raise ContractError(
            f"Component '{component}' declares its input '{declared.name}' as {declared.annotation}, "
            f"but the notebook's '{declared.name}' is of type {type(value).__qualname__}. "
            "Correct the signature, or the cell that makes it."
        ) from None


# What annotations may name without an import.
_WELL_KNOWN: dict[str, Any] = {**vars(typing), "File": File, "Folder": Folder}
_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None, "null": None}


def parse_overrides(pairs: Iterable[str]) -> dict[str, Text]:
    """Read ``NAME=VALUE`` words, as after ``-p``."""
    overrides = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip()
        if not separator or not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"-p expects NAME=VALUE, but found {pair!r}. Example: -p seed=8")
        overrides[name] = Text(value)
    return overrides


def check_known(overrides: Iterable[str], known: Iterable[str]) -> None:
    """Refuse overrides of parameters that nothing declares."""
    known = sorted(set(known))
    for name in overrides:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ParameterError(
                f"There is no parameter '{name}'.{close_matches(name, known)} Parameters: {listed}."
            )


def _evaluate(name: str, what: str, source: str, scope: dict[str, Any]) -> Any:
    try:
        return eval(compile(source, f"<{what} of {name}>", "eval"), scope)
    except Exception as error:
        raise ParameterError(
            f"The {what} of parameter '{name}', {source!r}, cannot be evaluated: "
            f"{type(error).__name__}: {error}. Run the cell that defines what it uses first."
        ) from None


def _adapter(annotation: Any) -> pydantic.TypeAdapter[Any]:
    import pydantic  # slow to import, and needed only where something is annotated

    try:
        return pydantic.TypeAdapter(annotation, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except pydantic.PydanticUserError:
        # Types with a configuration of their own (models, dataclasses) refuse another one.
        return pydantic.TypeAdapter(annotation)


def _validate(parameter: Declared, value: Any) -> Any:
    import pydantic

    try:
        return _adapter(parameter.annotation).validate_python(value)
    except pydantic.ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in error.errors()
        )
        raise ParameterError(
            f"Parameter '{parameter.name}' is declared as {parameter.written}, "
            f"but {value!r} does not fit: {details}."
        ) from None
