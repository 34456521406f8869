"""Classes of pydantic: what it makes of their fields when they are first used, and can make again."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

_COMPLETE = "__pydantic_complete__"
_MADE = ("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__")
_MOCKS = "pydantic._internal._mock_val_ser"


def complete(cls: Any) -> None:
    """Finish a class that names what was defined after it, as its first use would."""
    if vars(cls).get(_COMPLETE) is not False:
        return
    with contextlib.suppress(Exception):  # it says what is missing when it is used
        if hasattr(cls, "model_rebuild"):
            cls.model_rebuild(raise_errors=False)
        else:
            sys.modules["pydantic.dataclasses"].rebuild_dataclass(cls, raise_errors=False)


def without_made(cls: type, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a class to be sent.

    A schema in which a class stands twice refers back to the class, which has the schema: a pickle would
    use the schema before it is filled.
    """
    schema = attributes.get(_MADE[0])
    is_plain = not isinstance(schema, dict) or schema.get("type") != "definitions"
    if (
        is_plain
        or not hasattr(cls, "model_rebuild")
        or not hasattr(sys.modules.get(_MOCKS), "set_model_mocks")
    ):
        return attributes
    kept = {name: value for name, value in attributes.items() if name not in _MADE}
    return {**kept, _COMPLETE: False}


def let_make(cls: Any) -> None:
    """Have a class that was sent so make what is missing when it is first used."""
    set_mocks = getattr(sys.modules.get(_MOCKS), "set_model_mocks", None)
    if vars(cls).get(_COMPLETE) is False and hasattr(cls, "model_rebuild") and set_mocks is not None:
        set_mocks(cls)
