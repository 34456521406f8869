"""What tables share and a step changes for one of them only, an index or themselves: the receipt says so."""

from __future__ import annotations

import pandas as pd
import pytest

from jupyter_mlpipe.execution.process.common import in_common
from jupyter_mlpipe.notebook.show.common import words_in_common
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
    kernel.run("%%component groups\nby = df.groupby('a')").check()
    said = _receipt(kernel.run("%%component add\ndf['b'] = 1"))
    assert "df is changed for df only: by, made of it, still reads it as it was" in said
    assert "still reads" not in _receipt(kernel.run("%%component more\nalone['b'] = 1"))
    plain = start_kernel()
    plain.run(_MAKE + _SHARE + "\nshown = df.style").check()
    said = _name_it(plain)
    assert _SAID in said
    assert "df is changed for df only: shown, made of it" in said


def test_an_index_that_has_a_name_is_named_for_its_tables(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run(
        "%%component make\nimport pandas as pd\nrows = pd.Index([1])\nt = pd.Series([2], index=rows)"
    ).check()
    assert "rows is named for rows only: t, which" in _receipt(kernel.run("%%component n\nrows.name = 'n'"))
    assert "named for" not in _receipt(kernel.run("%%component m\nt.name = 'n'"))


def test_what_reads_a_table_is_found() -> None:
    table = pd.DataFrame({"a": [1], "b": [2]})
    found = in_common(
        {"t": table, "by": table.groupby("a"), "s": table.style, "o": table.copy(), "l": [table]}
    )
    assert found == ["in common: table t by s"]
    assert "by, s, made of it" in words_in_common(["t"], found)[0]
    assert words_in_common(["o"], found) == []


def test_a_chart_reads_its_table() -> None:
    altair = pytest.importorskip("altair")
    table = pd.DataFrame({"a": [1]})
    assert in_common({"chart": altair.Chart(table), "t": table}) == ["in common: table t chart"]


def test_a_tensor_and_an_array_in_the_same_memory_are_found() -> None:
    torch = pytest.importorskip("torch")
    array = torch.zeros(4).numpy()
    found = in_common({"a": array, "part": torch.from_numpy(array[1:]), "own": torch.zeros(4)})
    assert found == ["in common: memory a part", "in common: memory part a"]
    assert "part, in the same memory, stays as it was" in words_in_common(["a"], found)[0]
