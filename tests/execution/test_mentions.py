"""Which texts among a step's values may be paths."""

from __future__ import annotations

from jupyter_mlpipe.execution.process.mentions import Mentions


def paths_in(*values: object) -> dict[str, bool]:
    mentions = Mentions()
    mentions.add_values(values)
    return mentions.paths


def test_a_path_is_found_behind_collections_of_millions_of_texts() -> None:
    words = {f"word {i}" for i in range(1_000_000)}
    pairs = [(f"a{i}", f"b{i}") for i in range(100_000)]
    found = paths_in(words, [pairs], {"source": ["data/raw.csv"]})
    assert "data/raw.csv" in found
    assert len(found) < 10_000


def test_a_large_list_of_paths_is_looked_into_as_far_as_there_is_room() -> None:
    found = paths_in([f"images/{i}.png" for i in range(6_000)])
    assert "images/0.png" in found


def test_a_text_of_the_code_among_very_many_values_may_be_a_folder() -> None:
    mentions = Mentions()
    mentions.add_code("name = 'held'")
    many = [f"text {number}" for number in range(20_000)]
    mentions.add_values([[*many, "held"], {*many, "held"}])
    assert len(mentions.paths) == 5000
    assert mentions.paths["held"]
    assert not mentions.paths.keys() - {"held"} - {*many}
