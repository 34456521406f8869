/** Colours the lines of a cell that are ours, in JupyterLab's own colours for code. */

import { type Extension, RangeSetBuilder } from '@codemirror/state';
import { Decoration, type DecorationSet, type EditorView, ViewPlugin, type ViewUpdate } from '@codemirror/view';
import { type Kind, mark } from './tokens';

const LOOKED_AT = 20_000; // characters: a line further down stays as Python colours it
const LINE = Decoration.line({ class: 'mlp-header' });
const MARKS = new Map<Kind, Decoration>();

function markOf(kind: Kind): Decoration {
  const known = MARKS.get(kind) ?? Decoration.mark({ class: `mlp-token mlp-token-${kind}` });
  MARKS.set(kind, known);
  return known;
}

function decorate(view: EditorView): DecorationSet {
  const text = view.state.sliceDoc(0, LOOKED_AT);
  const { lines, tokens } = mark(text);
  const all = [
    ...lines.map(from => ({ from, to: from, decoration: LINE })),
    ...tokens.map(({ kind, from, to }) => ({ from, to, decoration: markOf(kind) }))
  ];
  const built = new RangeSetBuilder<Decoration>();
  for (const { from, to, decoration } of all.sort((a, b) => a.from - b.from || a.to - b.to)) {
    built.add(from, to, decoration);
  }
  return built.finish();
}

class Colours {
  decorations: DecorationSet;

  constructor(view: EditorView) {
    this.decorations = decorate(view);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) {
      this.decorations = decorate(update.view);
    }
  }
}

export const colours: Extension = ViewPlugin.fromClass(Colours, { decorations: plugin => plugin.decorations });
