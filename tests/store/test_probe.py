"""Two processes find out whether they see the same store."""

import pytest

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.store.probe import Probe, answer


@pytest.fixture(params=["folder", "bucket"])
def address(request, tmp_path):
    return str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("bucket")


def test_each_reads_what_the_other_wrote(address, tmp_path):
    asked, reply = Probe(address), Probe(address)
    asked.write()
    assert answer(address, asked.name, reply.name) == ""
    assert reply.is_there()
    for probe in (asked, reply):
        probe.remove()
        assert not probe.is_there()


def test_another_store_is_told(address, tmp_path):
    asked, reply = Probe(str(tmp_path / "elsewhere")), Probe(address)
    asked.write()
    assert "another one there" in answer(address, asked.name, reply.name)
    assert not reply.is_there()


def test_a_store_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        Probe(str(tmp_path / "store")).write()
    assert "a file stands" in answer(str(tmp_path / "store"), "probe", "reply")
