"""Objects that refer to each other, and objects that several others refer to."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression

from jupyter_mlpipe.keys.artifacts import dump_artifact
from jupyter_mlpipe.keys.values import digest_value


class Station:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[Station] = []
        self.reachable: set[Station] = set()


def _network(n: int, order: list[int], name: str = "s") -> list[Station]:
    """Return stations of which each refers to all; the sets are filled in a given order."""
    stations = [Station(f"{name}{number % 7}") for number in range(n)]
    for number, station in enumerate(stations):
        station.lines = [stations[(number + 1) % n], stations[number // 2]]
        station.reachable = {stations[other] for other in order}
    return stations


def test_objects_that_all_refer_to_each_other_have_a_digest():
    order = list(range(60))
    expected = digest_value(_network(60, order))
    random.Random(1).shuffle(order)
    assert digest_value(_network(60, order)) == expected
    assert digest_value(pickle.loads(pickle.dumps(_network(60, order)))) == expected
    assert digest_value(_network(60, order, "t")) != expected
    fewer = _network(60, order)
    fewer[30].reachable.remove(fewer[59])
    assert digest_value(fewer) != expected


def test_a_figure_has_a_digest_that_its_content_decides():
    def draw(last: float) -> Figure:
        figure = Figure()
        left, _right = figure.subplots(1, 2)
        left.plot([1, 2, last])
        return figure

    assert digest_value(draw(3)) == digest_value(draw(3))
    assert digest_value(draw(3)) != digest_value(draw(4))


def test_to_look_at_a_figure_does_not_change_it():
    figure = Figure()
    figure.subplots().plot([1, 2])
    before = digest_value(figure)
    assert digest_value(figure) == before
    stored = dump_artifact(figure, {}).stream
    assert dump_artifact(figure, {}).stream == stored
    copy = pickle.loads(stored)
    assert digest_value(copy) == digest_value(figure) == before


def test_rings_of_another_length_or_kind_differ():
    def ring(kind: type, n: int, content: int = 1) -> list[Any]:
        links: list[list[Any]] = [[content] for _ in range(n)]
        for link, after in zip(links, links[1:] + links[:1], strict=True):
            link.append(kind([after]))
        return links[0]

    rings = [ring(list, 1), ring(list, 2), ring(list, 4), ring(tuple, 2), ring(list, 2, 2)]
    assert len({digest_value(one) for one in rings}) == len(rings)
    assert digest_value(ring(list, 3)) == digest_value(ring(list, 3))


def test_what_is_shared_counts_where_it_can_be_changed():
    row = [0, 0]
    board, rows = [row, row], [[0, 0], [0, 0]]
    assert board == rows
    assert digest_value(board) != digest_value(rows)
    assert digest_value(board) == digest_value([*[[0, 0]] * 2])
    other = [0, 0]
    assert digest_value([row, row, other]) != digest_value([row, other, other])
    assert digest_value([row, other, row]) != digest_value([row, row, other])
    assert digest_value({"a": {"x": row}, "b": row}) != digest_value({"a": {"x": row}, "b": other})


def test_what_is_shared_does_not_count_where_nobody_can_change_it():
    pair, text = (1, 2.5), "ab"
    assert digest_value([pair, pair, text]) == digest_value(
        [(1, 2.5), pickle.loads(pickle.dumps(pair)), "".join("ab")]
    )


def test_the_order_of_a_set_does_not_count_where_its_elements_share_something():
    def build(order: list[int]) -> Any:
        common: list[int] = [1]
        stations = [Station(f"s{number}") for number in range(20)]
        for station in stations:
            station.lines = common  # type: ignore[assignment]
        return {stations[number] for number in order}, common

    order = list(range(20))
    expected = digest_value(build(order))
    for seed in range(5):
        random.Random(seed).shuffle(order)
        assert digest_value(build(order)) == expected
    apart = build(order)
    next(iter(apart[0])).lines = [1]
    assert digest_value(apart) != expected


def test_views_of_one_array_count_where_the_notebook_holds_them():
    numbers = np.arange(4.0)
    assert digest_value([numbers, numbers[:2]]) != digest_value([numbers, numbers[:2].copy()])
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    assert digest_value(model) == digest_value(pickle.loads(pickle.dumps(model)))
