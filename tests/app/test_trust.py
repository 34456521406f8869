"""``jupyter mlpipe trust``: keys are shown, handed on and taken back."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlpipe.app.main import main
from jupyter_mlpipe.store.signing import Keyring


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["trust", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def be(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """Go on as a user whose data folder this is; returns the id of the key that signs."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    return Keyring().own.id


def test_a_key_is_handed_on_by_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bob = be(monkeypatch, tmp_path / "bob")
    ada = be(monkeypatch, tmp_path / "ada")
    file = tmp_path / "team.key"
    assert ask(capsys, "export", str(file)) == {"exported": ada}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["trust", "export", str(file)]) == 2  # never over what is there
    assert "is there already" in capsys.readouterr().err
    be(monkeypatch, tmp_path / "bob")
    assert ask(capsys, "import", str(file), "--no-sign") == {"trusted": ada, "signs": bob}
    assert ask(capsys, "import", str(file)) == {"trusted": ada, "signs": ada}
    assert main(["trust"]) == 0
    listed = capsys.readouterr().out
    assert f"{ada}  {Keyring().own.name}  signs" in listed
    assert bob in listed
    assert Keyring().own.secret not in listed
    assert ask(capsys, "remove", bob[:8]) == {"removed": bob}
    assert main(["trust", "remove", ada]) == 2
    assert "is the key that signs" in capsys.readouterr().err


def test_a_key_is_handed_on_through_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = be(monkeypatch, tmp_path / "ada")
    assert main(["trust", "export", "-"]) == 0
    text = capsys.readouterr().out
    be(monkeypatch, tmp_path / "bob")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["trust", "import", "-"]) == 0
    assert capsys.readouterr().out == f"trusted: key {ada} of {Keyring().own.name}; it signs from now on\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "nowhere"], "'nowhere' cannot be read"),
        (["import", __file__], "That is no key, or not all of one"),
        (["remove", "zz"], "No trusted keys begin with 'zz'"),
        (["export"], "the following arguments are required: FILE"),
        (["shwo"], "invalid choice: 'shwo'"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    be(monkeypatch, tmp_path)
    assert main(["trust", *words]) == 2
    assert said in capsys.readouterr().err
