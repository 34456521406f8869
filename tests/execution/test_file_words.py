"""Which code has to do with files, by its words."""

from __future__ import annotations

import pytest

from jupyter_mlpipe.execution.runs.file_words import may_read, may_write


@pytest.mark.parametrize(
    "code",
    [
        "df.to_csv(path)",
        "open(path, 'a').write(x)",
        "with open(path, mode='x') as f: pass",
        "get_ipython().system('echo hi > f')",
        "subprocess.run(command)",
        "plt.savefig(path)",
        "Path(path).mkdir()",
        "shutil.copy(path, other)",
        "df.to_numpy().tofile(path)",
        "archive.extract(name)",
        "Path(path).copy(other)",
        "Path(path).rename(other)",
    ],
)
def test_code_that_may_write(code: str) -> None:
    assert may_write(code)


@pytest.mark.parametrize(
    "code",
    [
        "x = [w for w in 'wax']",
        "open(path).read()",
        "pd.read_csv('a.csv')",
        "x =",
        "x = df.copy(deep=True).to_numpy()",
        "x = copy.copy(y)",
        "x = copy(y)",
        "t = df.rename(columns={'a': 'b'}).rename_axis('c')",
        "t = s.str.extract('([ab])')[0] + s.str.extractall(pattern)[0]",
        "text = json.dumps(x)",
        "d = pd.to_datetime(copy.deepcopy(df)['when']).dt.to_period('M').to_list()",
    ],
)
def test_code_that_writes_nothing(code: str) -> None:
    assert not may_write(code)


@pytest.mark.parametrize(
    "code", ["open(path)", "pd.read_csv(path)", "Image('fig.png')", "f('data/')", "os.path.exists(p)"]
)
def test_code_that_may_read(code: str) -> None:
    assert may_read(code)


@pytest.mark.parametrize("code", ["x = y + 1", "print('Done. Next: 1/2 of it')", "'a b.c d'.split()"])
def test_code_that_reads_nothing(code: str) -> None:
    assert not may_read(code)
