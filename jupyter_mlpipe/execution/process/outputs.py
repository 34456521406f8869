"""The forms of what a cell shows, as a notebook file and the kernel's protocol have them."""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from typing import Any

OURS = "application/vnd.mlpipe+json"
"""The mime type that tells what we add to a cell's output from the cell's own."""

Output = dict[str, Any]


def stream_output(name: str, text: str) -> Output:
    """Return a piece of text as an output."""
    return {"output_type": "stream", "name": name, "text": text}


def error_output(name: str, value: str, traceback: Sequence[str], *, fails_cell: bool) -> Output:
    """Return an error that IPython has shown and gone on from.

    Parameters
    ----------
    fails_cell
        It came of showing the last expression: recent kernels answer that such a cell has failed.
    """
    output = {"output_type": "error", "ename": name, "evalue": value, "traceback": list(traceback)}
    return {**output, "fails_cell": True} if fails_cell else output


def display_output(
    data: Mapping[str, Any],
    metadata: Mapping[str, Any] | None,
    *,
    transient: Mapping[str, Any] | None,
    update: bool,
) -> Output:
    """Return a display as an output, or what replaces an earlier one of its id."""
    output: Output = {
        "output_type": "update_display_data" if update else "display_data",
        "data": plain(data),
        "metadata": plain(metadata or {}),
    }
    if transient:
        output["transient"] = plain(transient)
    return output


def result_output(data: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> Output:
    """Return a last expression as an output."""
    return {
        "output_type": "execute_result",
        "execution_count": None,
        "data": plain(data),
        "metadata": plain(metadata or {}),
    }


def plain(value: Any) -> Any:
    """Return JSON values, bytes as base64, as ipykernel sends them."""
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
