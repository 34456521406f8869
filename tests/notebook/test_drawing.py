"""The picture: what it says, and that nothing that a step is called gets out of its place."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.groups import fold
from jupyter_mlpipe.model.status import Reason, RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.drawing import Flow, flows_of, pipeline_dot
from jupyter_mlpipe.notebook.show.graphfile import write_graph
from jupyter_mlpipe.notebook.show.output import MIME
from jupyter_mlpipe.notebook.show.painting import pipeline_svg
from jupyter_mlpipe.notebook.show.views import graph_bundle
from jupyter_mlpipe.notebook.show.words import run_words

EVIL = "<img src=x onerror=alert(1)>\"'\x00\x1b]]></script>&<b>"


def two_steps(**of_load: object) -> RunSnapshot:
    load = StepSnapshot(name="load", outputs=("df",), **of_load)  # type: ignore[arg-type]
    fit = StepSnapshot(name="fit", reads={"df": "load", "seed": "parameter"}, outputs=("model",))
    return RunSnapshot((load, fit))


def texts(svg: str, kind: str) -> list[str]:
    drawn = ET.fromstring(svg)
    return [
        "".join(node.itertext()).strip() for node in drawn.iter() if node.get("class") == f"mlpipe-{kind}"
    ]


def shape_of(svg: str) -> list[str | None]:
    """All places and sizes in the drawing."""
    names = ("d", "points", "x", "y", "width", "height", "viewBox")
    return [node.get(name) for node in ET.fromstring(svg).iter() for name in names]


def test_states_and_sizes_move_nothing() -> None:
    before = pipeline_svg(two_steps(plan="run"))
    after = pipeline_svg(
        two_steps(status="succeeded", seconds=2.2, sizes={"df": 41_000_000}, previews={"df": "336,776 × 19"})
    )
    assert texts(before, "state") == ["▷ would run", "· registered"]
    assert texts(after, "state") == ["✓ ran 2.2 s", "· registered"]
    assert texts(before, "size") == [""]
    assert texts(after, "size") == ["336,776 × 19, 41.0 MB"]
    assert shape_of(before) == shape_of(after)


def test_a_running_step_says_how_long_or_how_far() -> None:
    assert texts(pipeline_svg(two_steps(status="running", seconds=0.4)), "state")[0] == "▶ running"
    assert (
        texts(pipeline_svg(two_steps(status="running", seconds=75.9)), "state")[0] == "▶ running 1 min 15 s"
    )
    far = pipeline_svg(two_steps(status="running", seconds=7.0, progress=(0.4, "epoch 4")))
    assert texts(far, "state")[0] == "▶ running 40%"


def test_before_a_run_the_graph_says_what_is_expected() -> None:
    load = StepSnapshot(name="load", plan="run", expected_seconds=43.0)
    fit = StepSnapshot(name="fit", reads={"df": "load"}, plan="undecided")
    done = StepSnapshot(name="done", status="succeeded", seconds=2.0, plan="reuse")
    stale = StepSnapshot(name="stale", status="reused", saved_seconds=2.0, plan="run")
    snapshot = RunSnapshot((load, fit, done, stale), "succeeded", 9.0)
    drawn = pipeline_svg(snapshot)
    said = ["▷ would run, 43.0 s", "? undecided", "✓ ran 2.0 s", "↻ reused, now stale"]
    assert texts(drawn, "state") == said
    assert 'data-mlpipe-step="stale" data-mlpipe-status="reused" data-mlpipe-plan="run"' in drawn
    assert run_words(snapshot) == ("4 steps: 2 run, at least 43.0 s and 1 unknown; 1 undecided; 1 reused")


def test_what_flows_is_one_edge_for_each_pair_of_steps() -> None:
    join = StepSnapshot(name="join", reads={"a": "load", "b": "load", "c": "notebook"})
    assert flows_of(RunSnapshot((StepSnapshot(name="load"), join))) == [Flow("load", "join", ("a", "b"))]


def test_names_reasons_and_errors_are_text_wherever_they_stand() -> None:
    steps = (
        StepSnapshot(name=EVIL, outputs=("a\\l<b>",), error="</details><script>alert(1)</script>"),
        StepSnapshot(
            name="x" * 1_000_000,
            reads={"a\\l<b>": EVIL, "</svg><script>": "parameter"},
            reasons=(Reason("code", "</title><script>alert(1)</script>"),),
        ),
    )
    bundle = graph_bundle(RunSnapshot(steps))
    html = str(bundle["text/html"])
    assert len(html) < 10_000
    for drawn in (pipeline_svg(RunSnapshot(steps)), html):
        nodes = list(ET.fromstring(drawn.replace("&ensp;", " ")).iter())
        assert not {node.tag.rpartition("}")[2] for node in nodes} & {"script", "b"}
        images = [node for node in nodes if node.tag == "img"]
        assert all(image.keys() == ["class", "alt", "src"] for image in images)
        assert "onerror=alert" not in drawn.replace("&lt;img src=x onerror=alert(1)&gt;", "")
        assert not any(char < " " and char not in "\n\t" for char in drawn)


def test_a_table_says_it_where_drawings_are_taken_out() -> None:
    html = str(graph_bundle(two_steps(status="succeeded", seconds=2.2), graph="g1")["text/html"])
    details = ET.fromstring(html).find("details")
    assert ET.fromstring(html).get("data-mlpipe-graph") == "g1"
    assert details is not None
    rows = [["".join(cell.itertext()) for cell in row] for row in details.iter("tr")]
    assert rows == [
        ["step", "status", "took", "why"],
        ["load", "succeeded", "2.2 s", ""],
        ["fit", "registered", "", ""],
    ]


def without_drawings(html: str) -> ET.Element:
    """What is left of HTML where drawings, styles and ids are taken out, as on GitHub."""
    root = ET.fromstring(html)
    for node in list(root.iter()):
        for child in [child for child in node if child.tag.rpartition("}")[2] in ("svg", "style")]:
            node.remove(child)
        node.attrib = {name: node.attrib[name] for name in {"alt", "src"} & set(node.keys())}
    return root


@pytest.mark.parametrize("n_steps", [2, 60])
def test_a_picture_is_left_where_drawings_are_taken_out(n_steps: int) -> None:
    steps = [StepSnapshot(name="s0", status="succeeded")]
    steps += [
        StepSnapshot(name=f"s{n}", reads={f"o{n}": f"s{n - 1}"}, status="failed") for n in range(1, n_steps)
    ]
    snapshot = RunSnapshot(tuple(steps), "failed")
    html = str(graph_bundle(snapshot)["text/html"])
    (picture,) = without_drawings(html).iter("img")
    kind, _, content = picture.attrib["src"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    drawn = base64.b64decode(content).decode()
    names = {text.text for text in ET.fromstring(drawn).iter() if text.tag.endswith(("text", "tspan"))}
    assert {step.name for step in steps} <= names
    assert picture.attrib["alt"] == run_words(snapshot)


def test_a_notebook_as_a_page_shows_the_picture() -> None:
    bundle = graph_bundle(two_steps(status="succeeded", seconds=2.2), graph="g1")
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data=bundle)])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert page.count('data-mlpipe-step="load"') == 1
    assert "✓ ran 2.2 s" in page
    assert "jupyter.widget-view" not in page


def test_a_large_drawing_is_kept_once() -> None:
    chain = [StepSnapshot(name="s0")]
    chain += [StepSnapshot(name=f"s{n}", reads={f"o{n}": f"s{n - 1}"}) for n in range(1, 100)]
    bundle = graph_bundle(RunSnapshot(tuple(chain)))
    assert "image/svg+xml" not in bundle
    assert "mlpipe-outline" not in bundle["text/html"]
    assert "image/svg+xml" in graph_bundle(RunSnapshot(tuple(chain)), saved=True)


def test_of_very_many_steps_an_outline_is_kept() -> None:
    def shown(n_steps: int, status: str | None, called: str = "step_{}") -> dict[str, object]:
        steps = [
            StepSnapshot(
                name=called.format(n),
                status=status,  # type: ignore[arg-type]
                plan=None if status else "run",
                reads={f"output_{above}": called.format(above) for above in (n - 1, n - 3) if above >= 0},
                outputs=(f"output_{n}",),
                sizes={f"output_{n}": 41_000_000},
                reasons=(Reason("new"),),
            )
            for n in range(n_steps)
        ]
        return graph_bundle(RunSnapshot(tuple(steps), "succeeded", 2.0), graph="g1")

    def size(bundle: dict[str, object]) -> int:
        return len(json.dumps(bundle, ensure_ascii=False).encode())

    before, after = shown(400, None), shown(400, "succeeded")
    drawn = [ET.fromstring(str(bundle["text/html"])).find(".//{*}svg") for bundle in (before, after)]
    assert all(svg is not None and svg.get("class") == "mlpipe-graph mlpipe-outline" for svg in drawn)
    said = [
        {text.text for text in svg.iter() if text.tag.endswith("tspan")} for svg in drawn if svg is not None
    ]
    assert said == [{f"step_{n}" for n in range(400)}] * 2
    assert before["text/html"] != after["text/html"]
    assert size(after) < 100_000
    assert size(shown(60, "succeeded")) < 100_000
    facts = after[MIME]
    assert isinstance(facts, dict)
    assert facts["states"] == {"succeeded": 400}
    assert facts["steps"] == {}
    # Of a chain, too: each has its own height.
    for called in ("a_step_of_many_{}", "the_step_of_many_{:03}", "a_long_name_of_{:03}_steps_and_more"):
        assert size(shown(1000, "succeeded", called)) < 100_000


def test_edges_that_pass_many_ranks_bear_no_labels() -> None:
    names = [f"s{n}" for n in range(60)]
    steps = [
        StepSnapshot(name=name, reads={f"o{m}": names[m] for m in {0, n // 2, max(0, n - 1)} if m < n})
        for n, name in enumerate(names)
    ]
    assert "o1" in pipeline_dot(RunSnapshot(tuple(steps[:10])))
    assert "o1" not in pipeline_dot(RunSnapshot(tuple(steps)))


def test_a_graph_is_written_as_a_file(tmp_path: Path) -> None:
    snapshot = two_steps(status="succeeded", seconds=2.2, sizes={"df": 41_000_000})
    for kind in ("svg", "png", "dot", "html"):
        write_graph(snapshot, tmp_path / f"graph.{kind}")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "graph.dot").read_text().startswith("digraph pipeline {")
    assert (tmp_path / "graph.svg").read_text().startswith("<svg ")
    page = (tmp_path / "graph.html").read_text()
    assert page.startswith("<!doctype html>")
    assert 'data-mlpipe-step="load" data-mlpipe-status="succeeded"' in page
    with pytest.raises(UsageError, match=r"\.svg, \.png, \.dot, \.html, but found .*graph\.gif"):
        write_graph(snapshot, tmp_path / "graph.gif")


def test_a_group_is_a_box_around_its_steps_and_folded_one_node() -> None:
    load = StepSnapshot("load", outputs=("df",), group="prepare", status="succeeded")
    clean = StepSnapshot("clean", reads={"df": "load"}, outputs=("x",), group="prepare", status="failed")
    fit = StepSnapshot("fit", reads={"x": "clean"})
    snapshot = RunSnapshot((load, clean, fit))
    drawn = ET.fromstring(pipeline_svg(snapshot))
    assert [node.get("class") for node in drawn.iter() if node.get("data-mlpipe-group")] == ["mlpipe-group"]
    folded = graph_bundle(snapshot, folded={"prepare"})
    nodes = [
        (node.get("data-mlpipe-step"), node.get("data-mlpipe-status"))
        for node in ET.fromstring(folded["image/svg+xml"]).iter()
        if node.get("data-mlpipe-step")
    ]
    assert sorted(nodes, key=str) == [("fit", None), ("prepare/", "failed")]
    assert texts(folded["image/svg+xml"], "name") == ["prepare", "fit"]
    assert texts(folded["image/svg+xml"], "others") == ["2 steps"]
    # What is not drawn is in the table below the picture all the same.
    assert 'data-mlpipe-step="clean"' not in folded["image/svg+xml"]
    assert "clean" in folded["text/html"]


def test_a_folded_group_may_stand_in_a_cycle() -> None:
    # load -> fit -> report, with load and report in one group
    load = StepSnapshot("load", outputs=("x",), group="ends")
    fit = StepSnapshot("fit", reads={"x": "load"}, outputs=("y",))
    report = StepSnapshot("report", reads={"y": "fit"}, group="ends")
    svg = pipeline_svg(fold(RunSnapshot((load, fit, report)), {"ends"}))
    assert svg.count("data-mlpipe-flow=") == 2
