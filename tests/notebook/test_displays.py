"""What a cell shows, and what IPython keeps of it, with our line on top: as without, fresh and reused."""

from __future__ import annotations

import pytest

from tests.support.as_plain import Start, assert_same_as_plain

NOTEBOOKS: dict[str, str] = {
    "results by number": r"""
# %%
40 + 2
# %% plain
_ + 1
# %%
"text"
# %% plain
_, __, Out[2], _2, _4, len(Out), 3 in Out
# %%
_, Out[3], _4
# %%
import numpy as np
np.arange(30000)
# %% plain
(_ * 2)[2]
# %%
_ * 2
# %% plain
_ + Out[7][3]
# %%
{1: 2};
# %% plain
_
# %%
iter("ab")
# %%
_i3, In[3]
# %%
big = np.ones(20000)
big
# %% plain
_ is big, Out[max(Out)].shape
# %%
items = [1]
items
# %%
_ + [2]
# %%
items.append(3)
# %% plain
_, items
""",
}


@pytest.mark.parametrize("title", NOTEBOOKS)
def test_a_cell_shows_what_it_shows_without_our_line(title: str, start_kernel: Start) -> None:
    assert_same_as_plain(NOTEBOOKS[title], start_kernel)
