/**
 * What the kernel says of a cell, in its editor: a wave under a mistake with its message, and in faint ink what
 * is inferred of the signature. Without a kernel there is nothing of it.
 */

import { type Extension, type Range, StateEffect, StateField, type Text } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  hoverTooltip,
  showTooltip,
  type Tooltip,
  ViewPlugin,
  type ViewUpdate,
  WidgetType
} from '@codemirror/view';
import { element } from '../dom';
import { type Check, type Flaw, NOTHING } from './check';
import { isOurs } from './tokens';

const PAUSE_MS = 400;
const MOST = 200_000; // characters: nobody types more than that

/** Asks the kernel about a text; null where there is nobody to ask. */
export type Asker = (text: string) => Promise<Check | null>;

const found = StateEffect.define<Check>();
const asked = StateEffect.define<null>();

class Inferred extends WidgetType {
  constructor(
    readonly text: string,
    readonly told: string
  ) {
    super();
  }

  override eq(other: Inferred): boolean {
    return other.text === this.text && other.told === this.told;
  }

  override toDOM(): HTMLElement {
    const title = this.told ? `Inferred: ${this.told}` : 'Inferred';
    return element('span', { class: 'mlp-inferred', role: 'note', title, 'aria-label': title }, this.text);
  }
}

interface Shown {
  check: Check;
  decorations: DecorationSet;
  /** The mistake that the cursor was moved to. */
  at: Flaw | null;
}

function draw(check: Check, doc: Text): DecorationSet {
  const ranges: Range<Decoration>[] = check.flaws
    .filter(flaw => flaw.from < flaw.to)
    .map(flaw =>
      Decoration.mark({
        class: `mlp-flaw mlp-flaw-${flaw.severity}`,
        attributes: { 'data-mlpipe-flaw': flaw.severity }
      }).range(flaw.from, flaw.to)
    );
  if (check.at !== null && check.inferred) {
    // At the end of the line, so that what is typed there stands before it.
    const end = doc.lineAt(Math.min(check.at, doc.length)).to;
    ranges.push(Decoration.widget({ widget: new Inferred(check.inferred, check.told), side: 1 }).range(end));
  }
  return Decoration.set(ranges, true);
}

const shown = StateField.define<Shown>({
  create: () => ({ check: NOTHING, decorations: Decoration.none, at: null }),
  update(value, transaction) {
    let next = value;
    if (transaction.docChanged) {
      const map = (place: number): number => transaction.changes.mapPos(place);
      const flaws = value.check.flaws.map(flaw => ({ ...flaw, from: map(flaw.from), to: map(flaw.to) }));
      const at = value.check.at === null ? null : map(value.check.at);
      next = {
        check: { ...value.check, flaws, at },
        decorations: value.decorations.map(transaction.changes),
        at: null
      };
    }
    for (const effect of transaction.effects) {
      if (effect.is(found)) {
        // Where it cannot be said, while something is half typed, what was said stays.
        const { inferred, told } = effect.value.inferred === null ? next.check : effect.value;
        const check = { ...effect.value, inferred, told };
        next = { check, decorations: draw(check, transaction.state.doc), at: null };
      }
    }
    if (transaction.selection && !transaction.docChanged) {
      next = { ...next, at: flawAt(next.check, transaction.selection.main.head) };
    }
    return next;
  },
  provide: field => [
    EditorView.decorations.from(field, value => value.decorations),
    // Who comes by keyboard reads it where he is.
    showTooltip.from(field, value => (value.at ? tooltip(value.at) : null))
  ]
});

function flawAt(check: Check, place: number): Flaw | null {
  return check.flaws.find(flaw => flaw.from <= place && place <= flaw.to) ?? null;
}

function tooltip(flaw: Flaw): Tooltip {
  return {
    pos: flaw.from,
    end: flaw.to,
    above: false,
    create: () => ({
      dom: element('div', { class: `mlp-flaw-text mlp-flaw-text-${flaw.severity}`, role: 'alert' }, flaw.text)
    })
  };
}

const hover = hoverTooltip((view, place) => {
  const { check, at } = view.state.field(shown);
  const flaw = flawAt(check, place);
  return flaw && flaw !== at ? tooltip(flaw) : null;
});

/** Returns what asks about a cell each time that its text has rested for a moment, and shows the answer. */
export function checked(ask: Asker): Extension {
  class Asking {
    private timer: ReturnType<typeof setTimeout> | null = null;
    private isGone = false;
    private nAsked = 0;

    constructor(private readonly view: EditorView) {
      this.later();
    }

    update(update: ViewUpdate): void {
      if (update.docChanged || update.transactions.some(each => each.effects.some(effect => effect.is(asked)))) {
        this.later();
      }
    }

    destroy(): void {
      this.isGone = true;
      if (this.timer !== null) {
        clearTimeout(this.timer);
      }
    }

    private later(): void {
      if (this.timer !== null) {
        clearTimeout(this.timer);
      }
      this.timer = setTimeout(() => {
        this.timer = null;
        void this.ask();
      }, PAUSE_MS);
    }

    private async ask(): Promise<void> {
      const text = this.view.state.doc.toString();
      // A cell without our lines costs nothing.
      const number = ++this.nAsked;
      const answer = text.length < MOST && isOurs(text) ? await ask(text).catch(() => null) : null;
      if (!this.isGone && number === this.nAsked && this.view.state.doc.toString() === text) {
        const { check } = this.view.state.field(shown);
        if (answer || check.at !== null || check.flaws.length) {
          this.view.dispatch({ effects: found.of(answer ?? NOTHING) });
        }
      }
    }
  }
  return [shown, hover, ViewPlugin.fromClass(Asking)];
}

/** Asks again about the cell of an editor, where `may` says so of its text: what is around it has changed. */
export function checkAgain(view: EditorView, may: (text: string) => boolean): void {
  const state = view.state.field(shown, false);
  if (!state) {
    return;
  }
  // What is not understood yet may be by now.
  const isOpen = state.check.flaws.length > 0 || state.check.inferred?.includes('?') === true;
  const text = view.state.doc.toString();
  if (isOurs(text) && (isOpen || may(text))) {
    view.dispatch({ effects: asked.of(null) });
  }
}
