"""The line that a component's cell shows: what it reads and writes, and what became of it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jupyter_mlpipe.model.pipeline import FromParameter, FromStep, Step
from jupyter_mlpipe.notebook.show.look import FAINT_STYLE, look_of
from jupyter_mlpipe.notebook.show.output import MIME


def describe_interface(step: Step, parameters: Mapping[str, Any], is_shared: Callable[[str], bool]) -> str:
    """Return ``df (load), seed=7 -> train, test``.

    Parameters
    ----------
    is_shared
        Tells of a name whether more than one component writes it: its producer is named.
    """
    from_steps, parameters_read, values = [], [], []
    for name, binding in step.bindings.items():
        if isinstance(binding, FromParameter):
            value = repr(parameters.get(name))
            parameters_read.append(f"{name}={value if len(value) <= 30 else value[:27] + '...'}")
        elif isinstance(binding, FromStep):
            is_own = name in step.component.outputs
            plain = binding.output == name and not is_own and not is_shared(name)
            from_steps.append(name if plain else f"{name} ({binding.step})")
        else:
            values.append(f"{name} (notebook)")
    reads = [*from_steps, *parameters_read, *values]
    writes = ", ".join(step.component.outputs)
    return " ".join(part for part in (", ".join(reads), f"-> {writes}" if writes else "") if part)


class Receipt:
    """One line below a component's cell, as text, as HTML and for programs."""

    def __init__(self, name: str, interface: str) -> None:
        self.name = name
        self.interface = interface

    def bundle(
        self,
        state: str,
        *,
        status: str | None = None,
        notes: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the mime bundle.

        Parameters
        ----------
        state
            The part after the dot: ``runs: new``.
        status
            The step's status or decision, for style and tests.
        notes
            Further lines for the user: options that have no effect yet, outputs left out.
        """
        line = "  ".join(part for part in (self.name, self.interface) if part) + f" · {state}"
        # Where JupyterLab shows the same on the cell, a receipt without notes is not shown twice.
        attributes = f'data-mlpipe-step="{html.escape(self.name)}" data-mlpipe-notes="{len(notes)}"'
        if status:
            attributes += f' data-mlpipe-status="{html.escape(status)}"'
        look = look_of(status)
        interface = html.escape(self.interface).replace("-&gt;", "→")
        interface = interface.replace("(notebook)", "<i>(notebook)</i>")
        sign = f"{look.sign}&nbsp;" if status else ""
        rows = [
            f'<div {attributes} style="{_BOX};border-left:2px solid {look.stroke}">'
            f"<b>{html.escape(self.name)}</b>&ensp;"
            f'<span style="color:{FAINT_STYLE}">{interface}</span> '
            f'<span style="{look.text_style}">·&nbsp;{sign}{html.escape(state)}</span>'
        ]
        rows += [f'<br><span style="color:{FAINT_STYLE}">{html.escape(note)}</span>' for note in notes]
        return {
            "text/plain": "\n".join([line, *(f"  {note}" for note in notes)]),
            "text/html": "".join(rows) + "</div>",
            MIME: {
                "kind": "receipt",
                "step": self.name,
                "interface": self.interface,
                "state": state,
                "status": status,
                "notes": list(notes),
                **dict(facts or {}),
            },
        }


_BOX = "font-family:var(--jp-code-font-family,monospace);font-size:90%;line-height:1.5;padding:1px 0 1px 8px"
