"""How each state looks: sign, word and colour, the same in receipts, tables and the graph.

Text keeps to the colour of the page around it. Pictures take those of the front end's theme where it has any
(variables of VS Code, Colab or JupyterLab), else ones that can be read on white and on black; the sign and
the word say the same without colour.
"""

from __future__ import annotations

from typing import NamedTuple

FAINT = "#767676"
FAINT_STYLE = "color-mix(in srgb,currentColor 65%,transparent)"


def _first(*variables: str, plain: str) -> str:
    return "".join(f"var(--{variable}," for variable in variables) + plain + ")" * len(variables)


# JupyterLab's come last: the widgets of the others bring them along, in part, as they are on white.
TEXT_FILL = _first(
    "vscode-editor-foreground", "colab-primary-text-color", "jp-ui-font-color1", plain="#212121"
)
FAINT_FILL = _first(
    "vscode-descriptionForeground",
    "colab-secondary-text-color",
    "colab-primary-text-color",
    "jp-ui-font-color2",
    plain=FAINT,
)
_GROUND = _first("vscode-editor-background", "colab-primary-surface-color", "jp-layout-color0", plain="#fff")


class Look(NamedTuple):
    """How a state looks.

    Parameters
    ----------
    fill, stroke
        Of its node in the graph, on white.
    """

    sign: str
    word: str
    fill: str
    stroke: str

    @property
    def text_style(self) -> str:
        """The colour of its word, in a text on the theme's background."""
        return f"color:color-mix(in srgb,{self.stroke} 65%,currentColor)"

    @property
    def is_filled(self) -> bool:
        """Whether its node is tinted: what a plan says is not, for it has not happened."""
        return self.fill != "#ffffff"

    @property
    def hollow(self) -> Look:
        """The same without its tint: of what holds no more."""
        return self._replace(fill="#ffffff")

    @property
    def node_style(self) -> str:
        """The colours of its node, on the theme's background."""
        share = 14 if self.is_filled else 0
        return f"fill:color-mix(in srgb,{self.stroke} {share}%,{_GROUND})"


LOOKS = {  # status or plan -> look
    "succeeded": Look("✓", "ran", "#e3f4e6", "#2e8b36"),
    "reused": Look("↻", "reused", "#e3f0fa", "#2a7fc9"),
    "running": Look("▶", "running", "#fff6d6", "#c79100"),
    "queued": Look("…", "queued", "#fffbea", "#c79100"),
    "waiting": Look("…", "waiting", "#f5f5f5", "#8a8a8a"),
    "failed": Look("✗", "failed", "#fbe4e4", "#d03a3a"),
    "skipped": Look("–", "skipped", "#f5f5f5", "#8a8a8a"),
    "cancelled": Look("■", "cancelled", "#f3ece4", "#a8704f"),
    "reuse": Look("↻", "would be reused", "#ffffff", "#2a7fc9"),
    "run": Look("▷", "would run", "#ffffff", "#c79100"),
    "undecided": Look("?", "undecided", "#ffffff", "#8a8a8a"),
    "": Look("·", "registered", "#ffffff", "#8a8a8a"),
}


def look_of(status: str | None, plan: str | None = None) -> Look:
    """Return how a step looks: by its state, else by what the plan says."""
    return LOOKS.get(status or plan or "", LOOKS[""])
