"""What a cell puts into libraries is seen in its code."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.cells.patches import find_patches


@pytest.mark.parametrize(
    ("code", "patches"),
    [
        ("pd.DataFrame.total = lambda self: 1", ("pd.DataFrame.total",)),
        ("np.own: int = 3\nnp.own += 1", ("np.own",)),
        ("if x:\n    DataFrame.total = f", ("DataFrame.total",)),
        ("setattr(pd.DataFrame, 'total', f)", ("pd.DataFrame",)),
        ("tqdm.pandas()", ("tqdm.pandas()",)),
        (
            "@pd.api.extensions.register_dataframe_accessor('geo')\nclass Geo: pass",
            ("pd.api.extensions.register_dataframe_accessor()",),
        ),
        ("pd.options.display.width = 80\nplt.rcParams['x'] = 1\nsys.stdout = s\nf().x = 1\nx = 2", ()),
        ("patch_sklearn()\nmonkey.patch_all()", ("patch_sklearn()", "monkey.patch_all()")),
        ("ax.add_patch(Patch())\nrequests.patch(url)\npatches.Circle(1)", ()),
        ("setattr(row, 'total', 1)\npd.DataFrame(x)", ()),
    ],
)
def test_patches_are_found(code: str, patches: tuple[str, ...]) -> None:
    assert tuple(text for _root, text in find_patches(code)) == patches
