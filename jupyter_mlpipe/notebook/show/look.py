"""How each state looks: sign, word and colour, the same in receipts, tables and the graph.

Colours are those of the front end's theme where it has any (variables of VS Code, Colab or JupyterLab), else
ones that can be read on white and on black; the sign and the word say the same without colour.
"""

from __future__ import annotations

from typing import NamedTuple

FAINT = "#767676"


def _themed(vscode: str, colab: str, jupyter: str, plain: str) -> str:
    # JupyterLab's come last: the widgets of the others bring them along, as they are on white.
    return f"var(--vscode-{vscode},var(--colab-{colab},var(--jp-{jupyter},{plain})))"


FAINT_STYLE = _themed("descriptionForeground", "secondary-text-color", "ui-font-color2", FAINT)
TEXT_STYLE = _themed("editor-foreground", "primary-text-color", "ui-font-color1", "#212121")
_GROUND_STYLE = _themed("editor-background", "primary-surface-color", "layout-color0", "#fff")


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
        """The colour of its word, on the theme's background."""
        return f"color:color-mix(in srgb,{self.stroke} 65%,{TEXT_STYLE})"

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
        return f"fill:color-mix(in srgb,{self.stroke} {share}%,{_GROUND_STYLE})"


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
