"""An index that several tables have is named in place: where they no longer share it, the receipt says so."""

from __future__ import annotations

from tests.support.as_plain import Start
from tests.support.kernel import Kernel, Result

_MAKE = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]}, index=['x', 'y'])\n"
_SHARE = "other = pd.DataFrame({'q': [3, 4]}, index=df.index)\nalone = df.copy()"
_SAID = "df.index is named for df only: other, which had the same index, keep the old name"


def _receipt(result: Result) -> str:
    return result.check().receipt


def _name_it(kernel: Kernel) -> str:
    return _receipt(kernel.run("%%component name\ndf.index.name = 'key'"))


def test_the_receipt_names_tables_that_one_step_made_with_the_index(start_kernel: Start) -> None:
    for _ in ("first", "reused"):
        kernel = start_kernel()
        _receipt(kernel.run(f"%%component make\n{_MAKE}{_SHARE}"))
        assert _SAID in _name_it(kernel)
        assert "named for" not in _receipt(kernel.run("%%component more\nalone.index.name = 'key'"))
        kernel.close()


def test_the_receipt_names_tables_of_another_step_and_of_plain_cells(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run(f"%%component make\n{_MAKE}").check()
    kernel.run(f"%%component share\nimport pandas as pd\n{_SHARE}").check()
    assert _SAID in _name_it(kernel)
    plain = start_kernel()
    plain.run(_MAKE + _SHARE).check()
    assert _SAID in _name_it(plain)


def test_an_index_that_has_a_name_is_named_for_its_tables(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run(
        "%%component make\nimport pandas as pd\nrows = pd.Index([1])\nt = pd.Series([2], index=rows)"
    ).check()
    assert "rows is named for rows only: t, which" in _receipt(kernel.run("%%component n\nrows.name = 'n'"))
    assert "named for" not in _receipt(kernel.run("%%component m\nt.name = 'n'"))
