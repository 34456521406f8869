/** What a component's cell shows of its step, between its input and its output. */

import { Widget } from '@lumino/widgets';
import { element } from '../dom';
import type { CellFacts } from './facts';

const MOST_NAMES = 6;

/** Marks a node as a step's, for style and for tests. */
export function mark(node: HTMLElement, { name, status, plan, stale, colour }: CellFacts): void {
  const marks = { step: name, status, plan, stale: stale ? 'true' : null };
  for (const [mark, value] of Object.entries(marks)) {
    if (value === null) {
      node.removeAttribute(`data-mlpipe-${mark}`);
    } else {
      node.setAttribute(`data-mlpipe-${mark}`, value);
    }
  }
  node.style.setProperty('--mlp-c', colour);
}

/** Returns what flows through a step: `train, seed → model`. */
function flow({ reads, makes }: CellFacts): string {
  const names = (all: string[]): string =>
    all.length > MOST_NAMES ? `${all.slice(0, MOST_NAMES).join(', ')}, ${all.length - MOST_NAMES} more` : all.join(', ');
  const [from, to] = [names(reads.map(([name]) => name)), names(makes.map(([name]) => name))];
  return to ? `${from} → ${to}`.trimStart() : from && `${from} →`;
}

/** Returns the same in more words, for who points at it. */
function about(facts: CellFacts): string {
  const reads = facts.reads.map(([name, source]) => `reads ${name} from ${source}`);
  const makes = facts.makes.map(([name, shape, size]) => `makes ${[name, shape, size].filter(Boolean).join(', ')}`);
  const on = facts.worker ? [`on ${facts.worker}`] : [];
  return [`${facts.name}: ${facts.text}`, facts.why, ...on, ...reads, ...makes].filter(Boolean).join('\n');
}

export class Badge extends Widget {
  facts: CellFacts | null = null;
  private edited = '';
  private readonly state = element('span', { class: 'mlp-badge-state' });
  private readonly flow = element('span', { class: 'mlp-badge-flow' });
  private readonly why = element('span', { class: 'mlp-badge-why' });
  private readonly bar = element('span', { class: 'mlp-badge-done', 'aria-hidden': 'true' });
  private readonly press = element('button', { type: 'button', class: 'mlp-badge-press' });

  constructor(private readonly open: (step: string, opener: HTMLElement) => void) {
    super({ node: element('div', { class: 'mlp-badge' }) });
    this.press.append(this.state, this.flow, this.why);
    this.node.append(this.press, this.bar);
    this.press.addEventListener('click', () => this.facts && this.open(this.facts.name, this.press));
    // With the mouse the notebook keeps the keyboard.
    this.press.addEventListener('mousedown', event => event.preventDefault());
    this.press.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.stopPropagation(); // in JupyterLab, these go into the cell
      }
    });
  }

  /** `edited` says that the cell's text is not the one that was run. */
  paint(facts: CellFacts, edited = ''): void {
    if (facts === this.facts && edited === this.edited) {
      return;
    }
    this.facts = facts;
    this.edited = edited;
    mark(this.node, facts);
    this.node.toggleAttribute('data-mlpipe-edited', edited !== '');
    const took = facts.stale && facts.took ? ` · ${facts.took}` : '';
    this.state.textContent = `${facts.sign} ${facts.text}${took}`;
    this.flow.textContent = flow(facts);
    const asks = facts.stale || facts.status === 'failed' || (facts.status === 'succeeded' && facts.why !== 'new');
    const why = asks ? (facts.why.split('\n')[0] ?? '') : ''; // of what is as expected, nobody asks
    this.why.textContent = edited || why;
    this.press.title = about(facts);
    const words = [`Step ${facts.name}`, facts.text, this.why.textContent, this.flow.textContent];
    this.press.setAttribute('aria-label', words.filter(Boolean).join(', '));
    this.bar.style.width = `${(facts.progress ?? 0) * 100}%`;
    this.bar.hidden = facts.progress === null;
  }
}
