"""Texts kept beside a record's ingredients."""

from __future__ import annotations

import random
import string

from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.records import Record, from_bytes, to_bytes
from jupyter_mlpipe.store.texts import pack_texts, unpack_texts

SHORT = Ingredient("value", "n", "1", "3")
LONG = Ingredient("helper", "f", "2", "def f():\n" + "    x = 'ü \ud800'\n" * 100)


def test_long_texts_come_back_from_a_record_and_short_ones_are_not_packed() -> None:
    lean, texts = pack_texts([SHORT, LONG])
    assert [part.detail for part in lean] == ["3", ""]
    record = from_bytes(to_bytes(Record("ab" * 32, ingredients=lean, texts=texts)))
    assert record is not None
    assert unpack_texts(record.ingredients, record.texts) == (SHORT, LONG)
    assert pack_texts([SHORT]) == ((SHORT,), "")
    assert unpack_texts([SHORT], "") == (SHORT,)


def test_the_longest_texts_are_left_out_where_they_are_too_many() -> None:
    noise = "".join(random.Random(7).choices(string.printable, k=200_000))
    huge = Ingredient("helper", "g", "3", noise)
    lean, texts = pack_texts([huge, LONG, SHORT])
    assert len(texts) < 2000
    assert [bool(part.detail) for part in unpack_texts(lean, texts)] == [False, True, True]


def test_texts_that_cannot_be_read_are_texts_that_are_not_known() -> None:
    lean, texts = pack_texts([LONG])
    assert unpack_texts(lean, texts[:-9]) == lean
    assert unpack_texts(lean, "not packed") == lean
