"""Records in memory: what nobody asks for any more goes, what somebody holds is not read again."""

from __future__ import annotations

import gc

from jupyter_mlpipe.store import remembered
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.remembered import RememberedRecords

STAMP = (1, 2, 3, 4)


def test_what_was_put_is_found_with_its_stamp():
    records = RememberedRecords()
    record = Record("a")
    records.put("a", STAMP, record)
    found = records.get("a")
    assert found == (STAMP, record)
    assert found[1] is record
    records.drop("a")
    assert records.get("a") is None


def test_the_latest_stay_and_the_others_go():
    records = RememberedRecords()
    for number in range(3 * remembered._LATEST):
        records.put(str(number), STAMP, Record(str(number)))
    gc.collect()
    assert len(records) == remembered._LATEST
    assert records.get("0") is None
    assert records.get(str(3 * remembered._LATEST - 1)) is not None


def test_one_that_somebody_holds_stays():
    records = RememberedRecords()
    held = Record("held")
    records.put("held", STAMP, held)
    for number in range(2 * remembered._LATEST):
        records.put(str(number), STAMP, Record(str(number)))
    found = records.get("held")
    assert found is not None
    assert found[1] is held


def test_a_record_that_was_replaced_does_not_take_the_other_along():
    records = RememberedRecords()
    records.put("a", STAMP, Record("a"))
    second = Record("a", seconds=2.0)
    records.put("a", STAMP, second)
    records._latest.clear()  # as later look-ups would have it
    gc.collect()
    found = records.get("a")
    assert found is not None
    assert found[1] is second
