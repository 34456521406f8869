"""What of a program changed: its functions, methods and names."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.keys.changes import changed_parts

MODULE = '''\
"""About it."""
import os
LIMIT = 3

def clean(rows):
    """Docs."""
    return rows

class Model:
    size = 1

    def fit(self, x):
        return x

    def score(self):
        return 1

for i in range(3):
    LIMIT += i
'''


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("return rows", "return rows[1:]", ("clean()",)),
        ("LIMIT = 3", "LIMIT = 4", ("LIMIT",)),
        ("import os", "import sys", ("its imports",)),
        ("return x", "return x, x", ("Model.fit()",)),
        ("size = 1", "size = 2", ("Model.size",)),
        ("class Model:", "class Model(dict):", ("Model",)),
        ("def score", "def score2", ("Model.score2()", "Model.score()")),
        ("LIMIT += i", "LIMIT += 2 * i", ("i",)),
        ("Docs.", "Other words.  # and a comment", ()),
        ("About it.", "About that.", ()),
        ("return rows", "return (", None),
    ],
)
def test_the_changed_part_is_named(old: str, new: str, changed: tuple[str, ...] | None) -> None:
    assert old in MODULE
    assert changed_parts(MODULE, MODULE.replace(old, new)) == changed
