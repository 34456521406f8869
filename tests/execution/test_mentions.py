"""Which texts among values may be paths."""

from __future__ import annotations

from jupyter_mlpipe.execution.process.mentions import Mentions


def test_of_very_many_texts_the_first_count_and_those_that_the_code_names() -> None:
    mentions = Mentions()
    mentions.add_code("name = 'held'")
    many = [f"text {number}" for number in range(20_000)]
    mentions.add_values([[*many, "held"], {*many, "held"}])
    assert len(mentions.paths) == 5000
    assert mentions.paths["held"]
    assert not mentions.paths.keys() - {"held"} - {*many}


def test_of_many_texts_beside_others_each_is_looked_at() -> None:
    mentions = Mentions()
    mentions.add_values([[*(f"text {number}" for number in range(6000)), {"data": ["in/side"]}]])
    assert len(mentions.paths) == 5000
