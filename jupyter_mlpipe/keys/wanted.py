"""Which modules a notebook's code wants, and what of each: what its imports and its values lead to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jupyter_mlpipe.keys.codes import code_reads, find_source
from jupyter_mlpipe.keys.helpers import uses_of
from jupyter_mlpipe.keys.uses import ONLY, WHOLE, Bound, Import, Uses, is_open_to, wanted_of
from jupyter_mlpipe.keys.values import Reach


def find_wanted(
    reach: Reach, cell: Uses, words: Iterable[str], imports: Mapping[str, tuple[str, str | None]]
) -> list[Import]:
    """Return what is wanted of modules, installed ones included.

    Parameters
    ----------
    reach
        What the helpers and values are that the cell reaches.
    words
        Names that the cell may look up in ways which are not seen.
    imports
        Names of the notebook that stand for a module, or for a name in one; dotted ones for modules that must
        be imported for others to have them.
    """
    wanted: list[Import] = [(module, ()) for module in reach.modules]
    wanted += [(module, (name,)) for module, name in reach.symbols]
    wanted += [(module, names) for module, level, names in reach.imports if level == 0]
    unseen = {*words, *reach.words}
    every = [cell, *_uses_of_helpers(reach)]
    for code in reach.codes.values():
        if find_source(code) is None:
            reads = code_reads(code)
            unseen.update(reads.names)
            wanted += [(module, names) for module, level, names in reads.imports if level == 0]
    # What the cell imports a helper may use, and the other way round: all are names of one module.
    chains = {name: {WHOLE} for name in unseen}
    for uses in every:
        for name, found in uses.chains.items():
            chains.setdefault(name, set()).update(found)
    for uses in every:
        wanted += uses.wanted(chains)
    for name, (module, attribute) in imports.items():
        if "." in name:
            wanted.append((module, ONLY))
        else:
            wanted += wanted_of(Bound(module, attribute), chains.get(name, {WHOLE}))
    return [*dict.fromkeys(wanted)]


def looks_at_code(reach: Reach, cell: Uses) -> bool:
    """Tell whether something in the notebook's code looks at code, or at whole namespaces."""
    if cell.is_open or any(uses.is_open for uses in _uses_of_helpers(reach)):
        return True
    gone = (code_reads(code).attributes for code in reach.codes.values() if find_source(code) is None)
    return any(is_open_to(names, names) for names in gone)


def _uses_of_helpers(reach: Reach) -> Iterator[Uses]:
    for code in reach.codes.values():
        if (uses := uses_of(code)) is not None:
            yield uses
