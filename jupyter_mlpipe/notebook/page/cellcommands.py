"""What the commands on cells ask of the kernel: edits of their text, and what is done with their steps.

Each takes a cell's id and, where it is about its text, the text as it stands in the page. Offsets in a text
are counted as a browser does, in units of UTF-16.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.cells.editing import Edit, to_component, to_plain
from jupyter_mlpipe.cells.source import may_warn
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.notebook.accepting import accepted_facts, why
from jupyter_mlpipe.notebook.making import is_registered, make_component, under_magic
from jupyter_mlpipe.notebook.page.checking import check_cell
from jupyter_mlpipe.notebook.page.locking import lock
from jupyter_mlpipe.notebook.show.planview import why_bundle
from jupyter_mlpipe.notebook.show.words import without_colours

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

Asked = Mapping[str, Any]
Answer = Mapping[str, Any]


def _check(session: Session, asked: Asked) -> Answer:
    """Return what is to be shown in a cell while it is typed; see `check_cell`."""
    text = _text(asked)
    facts = check_cell(session, text, _cell(session, asked))
    units = _Units(text)
    flaws = [{**flaw, "from": units[flaw["from"]], "to": units[flaw["to"]]} for flaw in facts["flaws"]]
    for flaw in flaws:
        if "beside" in flaw:
            flaw["beside"] = _shown(session, asked, flaw["beside"])
    at = facts["at"]
    return {**facts, "flaws": flaws, "at": None if at is None else units[at]}


def _component(session: Session, asked: Asked) -> Answer:
    return _edit(_text(asked), to_component(_text(asked), {*session.registry.placed}))


def _plain(session: Session, asked: Asked) -> Answer:
    return _edit(_text(asked), to_plain(_text(asked)))


def _lock(session: Session, asked: Asked) -> Answer:
    return _edit(_text(asked), lock(session, _text(asked), _cell(session, asked)))


def _edited(session: Session, asked: Asked) -> Answer:
    """Return which cells have to be run before a run of a cell's step is what the page shows.

    ``how`` is as in a run; ``texts`` holds the page's cells by id. ``step`` is the step, "" where
    the cell has not been registered, ``status`` how far it has come since, "" where it has not run.
    """
    name, how = session.components.of_cell(_cell(session, asked)), asked.get("how")
    given = asked.get("texts")
    texts = {str(key): str(text) for key, text in given.items()} if isinstance(given, dict) else {}
    if name is None or name not in session.registry:
        return {"step": "", "first": [str(asked.get("cell", ""))], "status": ""}
    upstream = session.registry.upstream()
    steps = [name] if how == "only" else graph.ancestors(upstream, [name])
    if how == "from":
        steps = graph.ancestors(upstream, graph.descendants(upstream, [name]))
    ids = [session.registry.placed[step].component.cell_id for step in steps]
    shown = {_shown(session, asked, cell_id): cell_id for cell_id in ids}
    first = [own for own, i in shown.items() if own in texts and not is_registered(session, texts[own], i)]
    return {"step": name, "first": first, "status": session.states.status(name) or ""}


def _why(session: Session, asked: Asked) -> Answer:
    name = _step_of(session, asked)
    return {"step": name, "text": without_colours(why_bundle(why(session, name))["text/plain"])}


def _accept(session: Session, asked: Asked) -> Answer:
    """Let the kept result of a step count for its cell as it stands in the page, which need not have run."""
    text, cell = _text(asked), _cell(session, asked)
    name = _step_of(session, asked)
    if not is_registered(session, text, cell):
        typed = under_magic(session, text)
        if typed is None:
            raise UsageError(f"The cell of step '{name}' has no %%component line any more.")
        try:
            made = make_component(session, *typed, cell_id=cell)
        except SyntaxError as problem:
            raise UsageError(f"The cell is no Python: {problem.msg} (line {problem.lineno}).") from None
        name = made.component.name
        if made.here is not None:
            session.here.place(name, made.here)
        session.offers.claim_unmade(session.components.register(made.component))
    return _accepted(session, name, takes_back=False)


def _revoke(session: Session, asked: Asked) -> Answer:
    return _accepted(session, _step_of(session, asked), takes_back=True)


def _accepted(session: Session, name: str, *, takes_back: bool) -> Answer:
    try:
        facts = accepted_facts(session, name, takes_back=takes_back)
    finally:
        session.marks.request()
    # How to take it back is a button in the page.
    return {"step": name, "text": facts["text"].partition(";")[0]}


def _step_of(session: Session, asked: Asked) -> str:
    name = session.components.of_cell(_cell(session, asked))
    if name is None or name not in session.registry:
        raise UsageError("The kernel does not know this cell as a step yet: run it first.")
    return name


def _text(asked: Asked) -> str:
    return str(asked.get("text", ""))


def _cell(session: Session, asked: Asked) -> str:
    """Return what the kernel calls the cell that is asked about."""
    return session.notebooks.cell(str(asked.get("client", "")), str(asked.get("cell", "")))


def _shown(session: Session, asked: Asked, cell_id: str | None) -> str:
    """Return what the page that asks calls a cell; empty where it is in another notebook."""
    return session.notebooks.shown_to(str(asked.get("client", "")), cell_id)


def _edit(text: str, edit: Edit) -> Answer:
    before, after = _Units(text), _Units(edit.apply(text))
    select = None if edit.select is None else [after[place] for place in edit.select]
    return {
        "from": before[edit.start],
        "to": before[edit.end],
        "insert": edit.text,
        "select": select,
        "note": edit.note,
    }


class _Units:
    """Offsets in a text as a browser counts them: characters beyond the first plane count twice."""

    def __init__(self, text: str) -> None:
        self._wide = [place for place, character in enumerate(text) if ord(character) > 0xFFFF]

    def __getitem__(self, place: int) -> int:
        return place + bisect_left(self._wide, place)


def is_for_main_thread(session: Session, asked: Asked) -> bool:
    """Tell whether a question about a text had better wait until the kernel is free.

    Python may warn when it parses the text. Which warnings are shown is the process's to say, and the user's
    code that runs meanwhile must not find that changed. With a free kernel, nobody waits.
    """
    return "text" in asked and (not session.marks.is_busy or may_warn(_text(asked)))


def _names(answers: Iterable[Callable[[Session, Asked], Answer]]) -> dict[str, Any]:
    return {answer.__name__.removeprefix("_"): answer for answer in answers}


AT_ONCE = _names([_check, _component, _plain, _lock, _edited])
"""What any thread can answer."""

BETWEEN_CELLS = _names([_why, _accept, _revoke])
"""What the main thread does once it is free."""
