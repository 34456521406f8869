"""Signatures hold for one record and one key; keys are nobody else's to read."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import StoreError, UsageError
from jupyter_mlpipe.store.signing import (
    Key,
    Keyring,
    OneSigner,
    content_of,
    export_key,
    import_key,
    signer_of,
)

KEY = Key("ab" * 32, 'ada "the first"@laptop\n')
RECORD, OTHER = "1" * 64, "2" * 64
CONTENT = b'{"mlpipe_record":4}\n'


def test_what_was_signed_comes_back() -> None:
    signed = KEY.signer(RECORD).sign(CONTENT)
    assert KEY.signer(RECORD).verify(signed) == CONTENT
    assert signer_of(signed) == (KEY.id, KEY.name)
    assert content_of(signed) == CONTENT
    assert content_of(CONTENT) == CONTENT
    assert signer_of(CONTENT) is None


def test_no_bit_of_it_can_be_changed() -> None:
    signer = KEY.signer(RECORD)
    signed = signer.sign(CONTENT)
    for n in range(len(signed) * 8):
        flipped = bytearray(signed)
        flipped[n // 8] ^= 1 << n % 8
        assert signer.verify(bytes(flipped)) is None
    for n in range(len(signed)):
        assert signer.verify(signed[:n]) is None
    assert signer.verify(signed + b"\n") is None


def test_it_holds_for_one_record_and_one_key() -> None:
    signed = KEY.signer(RECORD).sign(CONTENT)
    assert KEY.signer(OTHER).verify(signed) is None
    assert Key("cd" * 32, KEY.name).signer(RECORD).verify(signed) is None
    assert KEY.signer(RECORD).verify(CONTENT) is None


def test_a_step_is_sent_what_signs_its_own_record_only() -> None:
    sent = OneSigner(KEY.signer(RECORD))
    assert KEY.signer(RECORD).verify(sent.signer(RECORD).sign(CONTENT)) == CONTENT
    assert KEY.secret not in repr(KEY) + repr(KEY.signer(RECORD))
    with pytest.raises(StoreError):
        sent.signer(OTHER)
    assert sent.verifiers(OTHER) == {}


def test_the_first_key_is_made_at_first_need_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "jupyter" / "mlpipe" / "keys.json"
    ring = Keyring(path)
    assert not path.exists()
    assert [key.id for key in ring.all()] == [ring.own.id] == [Keyring(path).own.id]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["keys.json"]


def test_processes_that_make_the_first_key_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from jupyter_mlpipe.store.signing import Keyring; "
        "sys.stdin.readline(); print(Keyring(Path(sys.argv[1])).own.id)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "keys")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    found = {process.communicate()[0] for process in started}
    assert len(found) == 1
    assert found == {f"{Keyring(tmp_path / 'keys').own.id}\n"}


def test_an_imported_key_signs_and_the_earlier_one_stays_trusted(tmp_path: Path) -> None:
    ring, again = Keyring(tmp_path / "keys"), Keyring(tmp_path / "keys")
    own = ring.own
    assert again.own == own
    ring.add(import_key(export_key(KEY)), signs=True)
    assert again.own == KEY  # a running kernel sees it
    assert again.ids() == {KEY.id, own.id}
    assert again.remove(own.id[:6]) == own
    assert ring.ids() == {KEY.id}
    with pytest.raises(UsageError, match="is the key that signs"):
        ring.remove(KEY.id)
    with pytest.raises(UsageError, match=f"No trusted keys begin with 'zz'. Trusted: {KEY.id}"):
        ring.remove("zz")


@pytest.mark.parametrize(
    "text", ["", "{}", export_key(KEY)[:-5], json.dumps({**json.loads(export_key(KEY)), "secret": "00" * 32})]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no key, or not all of one"):
        import_key(text)


def test_a_damaged_file_of_keys_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text('{"mlpipe_keys": 1')
    with pytest.raises(StoreError, match=r"cannot be read from .*Restore that file"):
        _ = Keyring(path).own
    assert path.read_text() == '{"mlpipe_keys": 1'
