"""A store in a bucket: nothing in it is ever wrong, whoever writes there and whatever becomes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from jupyter_mlpipe.errors import ArtifactCorruptError, ArtifactMissingError, StoreError
from jupyter_mlpipe.model.files import Folder
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.place import find_store, local_folder
from jupyter_mlpipe.store.records import Record, to_bytes
from jupyter_mlpipe.store.signing import Key, Keyring, export_key, import_key, keys_path
from jupyter_mlpipe.store.store import Store, open_store
from tests.support.bucket import serve

KEY, OTHER = "1a" * 32, "2b" * 32
VALUES = {"small": {"a": [1, 2]}, "array": np.arange(5000.0), "text": "x" * 5000}
OpenAs = Callable[..., Store]


def put(store: Store, key: str = KEY, **values: Any) -> Record:
    outputs = {name: store.put_value(value) for name, value in (values or VALUES).items()}
    shown = store.put_shown([{"output_type": "stream", "name": "stdout", "text": "shown\n" * 2000}])
    record = Record(key, outputs, shown=shown, step="fit", seconds=2.0)
    store.put_record(record)
    return record


def read(store: Store, key: str = KEY) -> dict[str, Any] | None:
    """What reusing a step does: its record, whether all is there, and the values."""
    record = store.get_record(key)
    if record is None or not all(map(store.has, record.outputs.values())):
        return None
    if record.shown is None or not store.objects.is_whole(record.shown):
        return None
    store.get_shown(record)
    return {name: store.get_value(artifact) for name, artifact in record.outputs.items()}


def check(found: dict[str, Any] | None) -> None:
    assert found is not None
    assert found.keys() == VALUES.keys()
    for name, value in VALUES.items():
        np.testing.assert_equal(found[name], value)


def names(fs: Any, bucket: str, kind: str) -> list[str]:
    return sorted(fs.find(f"{bucket}/{kind}"))


def share_key(open_as: OpenAs, name: str) -> None:
    """Give Ada's key to another user, who signs with it from then on."""
    open_as("ada")
    text = export_key(Keyring().own)
    open_as(name)
    Keyring().add(import_key(text), signs=True)


DAMAGE: dict[str, Callable[[Any, str], None]] = {
    "flipped": lambda fs, name: fs.pipe_file(name, flipped(fs.cat_file(name))),
    "truncated": lambda fs, name: fs.pipe_file(name, fs.cat_file(name)[:-1]),
    "emptied": lambda fs, name: fs.pipe_file(name, b""),
    "longer": lambda fs, name: fs.pipe_file(name, fs.cat_file(name) + b"\n"),
    "deleted": lambda fs, name: fs.rm_file(name),
}


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_what_one_user_made_another_one_with_the_key_reuses(open_as: OpenAs) -> None:
    share_key(open_as, "bob")
    put(open_as("ada"))
    check(read(open_as("bob")))


def test_files_and_bytes_travel_as_values_do(open_as: OpenAs, tmp_path: Path) -> None:
    (tmp_path / "made" / "in").mkdir(parents=True)
    (tmp_path / "made" / "in" / "a.bin").write_bytes(b"a" * 9000)
    put(open_as("ada"), made=Folder(tmp_path / "made"))
    found = read(open_as("ada", cache="other"))
    assert found is not None
    assert Path(found["made"], "in", "a.bin").read_bytes() == b"a" * 9000


def test_what_was_read_once_is_not_read_again(open_as: OpenAs, fs: Any, bucket: str) -> None:
    put(open_as("ada"))
    check(read(open_as("bob", cache="ada")) or read(open_as("ada", cache="other")))
    for name in names(fs, bucket, "objects"):
        fs.rm_file(name)
    check(read(open_as("ada", cache="other")))
    assert read(open_as("ada", cache="third")) is None


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("kind", "n"), [("s3", 0), ("file", 0), ("file", 1), ("file", 2)])
def test_a_damaged_object_counts_as_missing_and_is_made_whole_by_whoever_makes_it_again(
    damage: str,
    kind: str,
    n: int,
    become: Callable[..., None],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    if kind == "s3":
        fs, bucket = request.getfixturevalue("fs"), request.getfixturevalue("bucket")
    else:
        fs, bucket = fsspec.filesystem("file"), f"file://{tmp_path}/shared"

    def open_with(cache: str) -> Store:
        become("ada", cache=cache)
        return open_store(bucket)

    put(open_with("first"))
    name = names(fs, bucket, "objects")[n]
    whole = fs.cat_file(name)
    DAMAGE[damage](fs, name)
    store = open_with("other")
    try:
        assert read(store) is None
    except (ArtifactMissingError, ArtifactCorruptError):
        # Its size was right. From then on it is missing, in other processes as well.
        assert not store.objects.has(Blob(os.path.basename(name), len(whole)))
        assert read(open_with("other")) is None
    put(open_with("other"))
    assert fs.cat_file(name) == whole
    check(read(open_with("third")))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_counts_as_missing(damage: str, open_as: OpenAs, fs: Any, bucket: str) -> None:
    put(open_as("ada"))
    (name,) = names(fs, bucket, "records")
    DAMAGE[damage](fs, name)
    for cache in ("other", "ada"):
        store = open_as("ada", cache=cache)
        assert read(store) is None, f"with what {cache} has copied"
        was = "" if damage == "deleted" else "its record was damaged or changed since it was signed"
        assert store.why_refused(KEY) == was
    put(open_as("ada", cache="other"))
    check(read(open_as("ada", cache="third")))
    check(read(open_as("ada")))


def test_any_bit_of_a_record_counts(open_as: OpenAs, fs: Any, bucket: str) -> None:
    put(open_as("ada"), n=1)
    (name,) = names(fs, bucket, "records")
    whole = fs.cat_file(name)
    for at in range(0, len(whole), 101):
        changed = bytearray(whole)
        changed[at] ^= 4
        fs.pipe_file(name, bytes(changed))
        assert open_as("ada", cache=f"cache{at}").get_record(KEY) is None


def test_a_record_that_was_moved_to_another_key_counts_for_nothing(
    open_as: OpenAs, fs: Any, bucket: str
) -> None:
    put(open_as("ada"))
    put(open_as("ada"), OTHER, evil=666)
    mine, other = names(fs, bucket, "records")
    fs.copy(other, mine)
    store = open_as("ada", cache="other")
    assert store.get_record(KEY) is None
    assert store.why_refused(KEY)
    record = store.get_record(OTHER)
    assert record is not None
    assert store.get_value(record.outputs["evil"]) == 666


def test_what_an_unknown_key_has_signed_is_missing_until_it_is_trusted(
    open_as: OpenAs, fs: Any, bucket: str
) -> None:
    put(open_as("ada"))
    put(open_as("ada"), OTHER)
    text = export_key(ada := Keyring().own)
    store = open_as("eve")
    assert read(store) is None
    assert read(store, OTHER) is None
    assert store.why_refused(KEY) == f"its record is signed by key {ada.id}, which is not trusted here"
    (note,) = store.take_notes()
    assert note.startswith(
        f"what key {ada.id}, which says to be that of '{ada.name}', has signed in {bucket}"
    )
    assert "jupyter mlpipe trust import FILE" in note
    assert store.take_notes() == []
    # What Eve makes stands beside it, and takes nothing from Ada.
    put(store)
    check(read(store))
    before = len(names(fs, bucket, "records"))
    check(read(open_as("ada")))
    assert len(names(fs, bucket, "records")) == before == 3
    open_as("eve")
    Keyring().add(import_key(text), signs=False)
    check(read(store, OTHER))  # without opening it again
    Keyring().remove(ada.id)
    assert read(store, OTHER) is None


def test_what_nobody_has_signed_is_missing(open_as: OpenAs, fs: Any, bucket: str, tmp_path: Path) -> None:
    record = put(open_store(tmp_path / "local"))
    local = tmp_path / "local"
    for path in [*local.glob("records/*/*"), *local.glob("objects/*/*")]:
        fs.put_file(str(path), f"{bucket}/{path.relative_to(local)}")
    store = open_as("ada")
    assert store.get_record(KEY) is None
    assert store.why_refused(KEY) == "nobody has signed its record"
    assert "nobody has signed count as missing" in store.take_notes()[0]
    # Nor where it lies among those of a key that is trusted.
    fs.pipe_file(f"{bucket}/records/{Keyring().own.id}/{KEY}", to_bytes(record))
    assert open_as("ada", cache="other").get_record(KEY) is None


def test_a_user_who_has_the_same_cache_is_no_more_trusting(open_as: OpenAs) -> None:
    put(open_as("ada"))
    check(read(open_as("ada")))
    assert read(open_as("eve", cache="ada")) is None
    put(open_as("eve", cache="ada"))
    check(read(open_as("ada")))
    check(read(open_as("eve", cache="ada")))


def test_a_copy_that_is_damaged_is_read_again(open_as: OpenAs) -> None:
    record = put(open_as("ada"))
    store = open_as("ada", cache="other")
    check(read(store))
    for path in [*store.root.glob("objects/*/*"), *store.root.glob("records/*/*")]:
        changed = flipped(path.read_bytes())
        path.unlink()
        path.write_bytes(changed)
    store = open_as("ada", cache="other")
    artifact = record.outputs["array"]
    np.testing.assert_equal(store.get_value(artifact), VALUES["array"])
    assert store.objects.is_whole(artifact.blob)


def test_what_others_do_meanwhile_is_seen(open_as: OpenAs) -> None:
    share_key(open_as, "bob")
    ada, bob = open_as("ada"), open_as("bob")
    assert ada.get_record(KEY) is None
    put(bob)
    ada.refresh(anew=True)
    check(read(ada))
    bob.remove_record(KEY)
    assert bob.get_record(KEY) is None
    assert list(bob.keys()) == []
    ada.refresh(anew=True)
    assert ada.get_record(KEY) is None


def test_of_two_that_compute_one_key_on_two_machines_one_result_stands(open_as: OpenAs) -> None:
    stores = [open_as("ada", cache=cache) for cache in ("first", "second")]
    for store in stores:
        store.refresh()
        with store.in_use():
            assert store.claims.claim(KEY)  # nobody waits for a machine that may be gone
    for store, value in zip(stores, "ab", strict=True):
        put(store, x=value * 5000)
    for store in (*stores, open_as("ada", cache="third")):
        store.refresh(anew=True)
        assert read(store) == {"x": "b" * 5000}
    # On one machine they share the copy, and one waits for the other.
    again = open_as("ada", cache="first")
    with stores[0].in_use(), again.in_use():
        assert stores[0].claims.claim(OTHER)
        assert not again.claims.claim(OTHER)


KILLED = """
import sys
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
for n in range(10_000):
    outputs = {name: store.put_value(name * 2000 + str(n)) for name in "abc"}
    store.put_record(Record(f"{n:064x}", outputs, step=f"s{n}"))
    print(n, flush=True)
"""


def test_whoever_is_killed_leaves_no_record_that_points_nowhere(open_as: OpenAs, bucket: str) -> None:
    store = open_as("ada")
    n_records = 0
    for round_ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", KILLED, bucket], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(3 + 2 * round_):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = open_as("ada", cache=f"cache{round_}")
        for key in store.keys():  # noqa: SIM118 - a store is no dict
            record = store.get_record(key)
            assert record is not None
            n_records += 1
            for name, artifact in record.outputs.items():
                assert store.get_value(artifact) == name * 2000 + str(int(key, 16))
    assert n_records > 6


def test_what_cannot_be_sent_counts_here_and_is_sent_later(fs: Any, become: Callable[..., None]) -> None:
    store = open_store("s3://later/x")
    put(store)
    assert not fs.exists("later")  # nobody makes a bucket because of a slip in its name
    assert "1 result is kept on this machine only" in (note := store.take_notes()[0])
    assert "s3://later/x cannot be written: there is no such place" in note
    assert store.take_notes() == []
    store = open_store("s3://later/x")
    with pytest.raises(StoreError, match=r"cannot be listed: there is no such place .*make the bucket"):
        store.get_record(OTHER)
    check(read(store))
    fs.mkdir("later")
    store = open_store("s3://later/x")
    store.refresh()
    assert store.take_notes() == []
    check(read(store))
    become("ada", cache="other")
    check(read(open_store("s3://later/x")))


def test_a_bucket_that_does_not_answer_is_an_error(
    become: Callable[..., None], s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"cannot be listed: it does not answer .*AWS_ENDPOINT_URL"):
        open_store("s3://team/x").get_record(KEY)


def test_who_may_only_read_reuses_what_is_there_and_keeps_what_he_makes(
    tmp_path: Path, become: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3 = pytest.importorskip("boto3")
    import fsspec

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with serve() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        fsspec.filesystem("s3", endpoint_url=address).mkdir("team")
        put(open_store("s3://team/results"))
        iam = boto3.client("iam", endpoint_url=address)
        keys = {}
        for user, actions in (("reader", ["s3:Get*", "s3:List*"]), ("nobody", ["iam:Get*"])):
            iam.create_user(UserName=user)
            policy = {"Effect": "Allow", "Action": actions, "Resource": "*"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
            iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=document)
            keys[user] = iam.create_access_key(UserName=user)["AccessKey"]
        iam.close()
        # From here on it looks at who asks.
        asked = urllib.request.Request(
            f"{address}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
        )
        with urllib.request.urlopen(asked) as reply:
            assert reply.status == 200

        def act_as(user: str) -> None:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[user]["AccessKeyId"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys[user]["SecretAccessKey"])

        act_as("reader")
        become("ada", cache="other")
        store = open_store("s3://team/results")
        with store.in_use():
            check(read(store))
        put(store, OTHER)
        check(read(store, OTHER))
        (note,) = store.take_notes()
        assert "cannot be written: access is denied" in note
        again = open_store("s3://team/results")
        check(read(again, OTHER))
        with pytest.raises(StoreError, match="cannot be written: access is denied"):
            again.pins.add(KEY)
        act_as("nobody")
        with pytest.raises(StoreError, match="cannot be listed: access is denied"):
            open_store("s3://team/results").get_record(KEY)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s4://bucket/x", "cannot be understood: .*rotocol"),
        ("abfs://c/x", "needs a package that is not installed: pip install adlfs"),
    ],
)
def test_an_address_that_leads_nowhere_is_an_error(
    address: str, words: str, s3: str, become: Callable[..., None]
) -> None:
    with pytest.raises(StoreError, match=words):
        open_store(address).get_record(KEY)


def test_no_credentials_are_an_error(
    bucket: str, become: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(
        StoreError, match=r"there are no credentials for it \(NoCredentialsError: .*AWS_PROFILE"
    ):
        open_store(bucket).get_record(KEY)


def test_where_a_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_store(tmp_path) == str(tmp_path / ".mlpipe")
    assert find_store(tmp_path, "s3://b/p/") == "s3://b/p"
    assert find_store(tmp_path, "here") == str(tmp_path / "here")
    monkeypatch.setenv("MLPIPE_STORE", "memory://x")
    assert find_store(tmp_path, "here") == "memory://x"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert local_folder("s3://b/p/") == local_folder("s3://b/p") != local_folder("s3://b/q")
    assert local_folder("s3://b/p").parents[2] == tmp_path
    assert local_folder(str(tmp_path)) == tmp_path


def test_keys_are_in_the_jupyter_data_folder(open_as: OpenAs, tmp_path: Path) -> None:
    store = open_as("ada")
    assert keys_path() == tmp_path / "ada" / "data" / "mlpipe" / "keys.json"
    assert not keys_path().exists()
    put(store)
    assert isinstance(Keyring().own, Key)
    assert keys_path().stat().st_mode & 0o777 == 0o600
