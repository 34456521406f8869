/** A line below a cell's input that says what came of a command, with what can be done next. */

import type { Cell } from '@jupyterlab/cells';
import { Widget } from '@lumino/widgets';
import { button, element } from '../dom';
import { placeBelowInput } from './placing';

export interface Action {
  label: string;
  title: string;
  press(): void;
}

export type Tone = 'told' | 'failed';

class Said extends Widget {
  constructor(text: string, tone: Tone, actions: Action[]) {
    super({ node: element('div', { class: `mlp-said-line mlp-said-${tone}` }) });
    // An alert is read out at once, a status when there is time.
    const role = tone === 'failed' ? 'alert' : 'status';
    this.node.setAttribute('data-mlpipe-said', tone);
    this.node.classList.toggle('mlp-said-lines', text.includes('\n')); // of code, and set below each other
    this.node.append(
      element('span', { class: 'mlp-said-sign', 'aria-hidden': 'true' }, tone === 'failed' ? '✕' : '›'),
      element('div', { class: 'mlp-said-text', role }, text),
      ...actions.map(({ label, title, press }) =>
        button(label, title, () => {
          this.dispose();
          press();
        })
      ),
      button('×', 'Close', () => this.dispose())
    );
  }
}

const LINES = new WeakMap<Cell, Said>();

/** Says it below the cell, in place of what was said there before; an empty text takes that away. */
export function say(cell: Cell, text: string, tone: Tone = 'told', actions: Action[] = []): void {
  unsay(cell);
  if (!text || cell.isDisposed) {
    return;
  }
  const line = new Said(text, tone, actions);
  LINES.set(cell, line);
  placeBelowInput(cell, line);
}

export function unsay(cell: Cell): void {
  LINES.get(cell)?.dispose();
  LINES.delete(cell);
}
