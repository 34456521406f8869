/** All that there is to know of one step, beside the graph. */

import { lineChart } from './chart';
import { button, element, set, tableRows, tint } from './dom';
import type { Detail, Item, Reason, StepHow, Shown, StepState } from './protocol';

export interface PanelActions {
  close(): void;
  run(how: StepHow, step: string): void;
  cancel(step: string): void;
  /** Says something to the user. */
  say(text: string): void;
}

const HOWS: [StepHow, string, string][] = [
  ['only', 'Run', 'Run this step alone: what is above it must be done'],
  ['to', 'Run to here', 'Run this step and what is above it'],
  ['from', 'Run from here', 'Run this step and all below it'],
  ['force', 'Force', 'Run this step though its result could be reused']
];
const GOES_ON = ['waiting', 'queued', 'running'];

export class Panel {
  readonly node = element('section', { class: 'mlp-panel', tabindex: '-1' });
  readonly #state = element('div', 'mlp-state');
  readonly #body = element('div', 'mlp-body');
  readonly #acts = element('div', 'mlp-acts');
  #log: HTMLPreElement | null = null;
  #offered = '';
  #known: StepState | null = null;
  step: string | null = null;

  constructor(private readonly actions: PanelActions) {
    this.node.hidden = true;
  }

  open(step: string, state: StepState | undefined): void {
    this.step = step;
    this.#log = null;
    this.node.hidden = false;
    set(this.node, { 'aria-label': `step ${step}` });
    const title = element('h3', { class: 'mlp-title', title: step }, step);
    const close = button('×', 'Close (Escape)', () => this.actions.close());
    this.#offered = '';
    this.#body.replaceChildren(element('p', 'mlp-faint', 'Asked the kernel …'));
    this.node.replaceChildren(element('header', {}, title, close), this.#state, this.#acts, this.#body);
    this.node.scrollTop = 0;
    this.#offer(state?.status ?? null);
    this.paint(state);
  }

  close(): void {
    this.step = null;
    this.node.hidden = true;
  }

  paint(state: StepState | undefined): void {
    if (!state) {
      return;
    }
    this.#known = state;
    tint(this.#state, state.colour);
    const worker = state.worker ? element('span', 'mlp-faint', ` on ${state.worker}`) : '';
    this.#state.replaceChildren(element('b', {}, `${state.sign} ${state.text}`), worker);
    this.#offer(state.status);
  }

  /** Offers what makes sense in a state. */
  #offer(status: string | null): void {
    const kind = status === 'failed' ? 'failed' : GOES_ON.includes(status ?? '') ? 'goes on' : 'rests';
    if (kind === this.#offered || this.step === null) {
      return;
    }
    this.#offered = kind;
    const step = this.step;
    const acts = HOWS.map(([how, label, does]) => button(label, does, () => this.actions.run(how, step)));
    if (kind === 'failed') {
      acts.shift();
      acts.splice(1, 1); // from here: that is to try again
      acts.unshift(button('Retry', 'Run this step again, and what waited for it', () => this.actions.run('from', step)));
      acts.push(button('Debug here', 'Copy the line that runs its code in the kernel', () => void this.#debug(step)));
    } else if (kind === 'goes on') {
      acts.unshift(button('Cancel', 'End the run that this step is part of', () => this.actions.cancel(step)));
    } else {
      acts.push(button('Debug', 'Copy the line that runs its code in the kernel', () => void this.#debug(step)));
    }
    const isWithin = this.#acts.contains(document.activeElement);
    this.#acts.replaceChildren(...acts);
    if (isWithin) {
      acts[0]?.focus();
    }
  }

  /** Copies the line to the clipboard, which any front end lets one paste into a cell; else it is there to be copied. */
  async #debug(step: string): Promise<void> {
    const line = `%pipeline debug ${step}`;
    try {
      await navigator.clipboard.writeText(line);
      this.actions.say(`Copied: ${line} — paste it into a cell`);
    } catch {
      this.actions.say(`Write into a cell: ${line}`);
    }
  }

  show(detail: Detail): void {
    // What the reader has folded or scrolled stays so when the step goes on.
    const folded = new Set(
      [...this.#body.querySelectorAll('details')].filter(part => !part.open).map(part => part.dataset.part)
    );
    const parts: (Node | null)[] = [
      detail.traceback ? section('Error', ...this.#errorOf(detail.traceback)) : null,
      detail.reasons.length > 0 ? section('Why', ...detail.reasons.map(reason)) : null,
      detail.reads.length > 0 ? section('Reads', table(detail.reads)) : null,
      detail.makes.length > 0 ? section('Makes', table(detail.makes)) : null,
      section('Log', this.#logOf(detail.log)),
      detail.shown.length > 0 ? section('Shown', ...detail.shown.map(figure)) : null,
      detail.metrics.length > 0 || detail.curves.length > 0 ? section('Metrics', ...metrics(detail)) : null,
      detail.code ? section('Code', pre(detail.code)) : null,
      detail.facts.length > 0 ? section('Run', element('table', 'mlp-table', ...tableRows(detail.facts)), ...use(detail.use)) : null,
      detail.ends.length > 0 ? section('Before', element('table', 'mlp-table', ...tableRows(detail.ends))) : null
    ];
    const interfaceLine = element('p', 'mlp-interface', detail.interface);
    this.#body.replaceChildren(interfaceLine, ...parts.filter(part => part !== null));
    for (const part of this.#body.querySelectorAll('details')) {
      part.open = !folded.has(part.dataset.part);
    }
    this.#scrollLog();
  }

  append(text: string): void {
    const isAtEnd = this.#log && this.#log.scrollTop + this.#log.clientHeight >= this.#log.scrollHeight - 4;
    this.#log?.classList.remove('mlp-faint');
    if (this.#log?.dataset.empty) {
      delete this.#log.dataset.empty;
      this.#log.textContent = '';
    }
    this.#log?.append(text);
    if (isAtEnd) {
      this.#scrollLog();
    }
  }

  /** What it failed with, where one need not look for it, and where that was. */
  #errorOf(traceback: string): HTMLElement[] {
    const message = element('div', 'mlp-message mlp-state', this.#known?.why ?? '');
    tint(message, this.#known?.colour ?? '');
    return [message, pre(traceback, 'mlp-error')];
  }

  #logOf(text: string): HTMLPreElement {
    this.#log = pre(text || 'nothing printed', text ? '' : 'mlp-faint');
    this.#log.classList.add('mlp-log');
    if (!text) {
      this.#log.dataset.empty = '1';
    }
    return this.#log;
  }

  #scrollLog(): void {
    if (this.#log) {
      this.#log.scrollTop = this.#log.scrollHeight;
    }
  }
}

function section(title: string, ...children: Node[]): HTMLDetailsElement {
  const made = element('details', { 'data-part': title }, element('summary', {}, title), ...children);
  made.open = true;
  return made;
}

function pre(text: string, style = ''): HTMLPreElement {
  // Reached by keyboard, for it scrolls.
  return element('pre', { class: `mlp-pre ${style}`.trim(), tabindex: '0' }, text);
}

function metrics({ metrics, curves }: Detail): HTMLElement[] {
  const shown = metrics.length > 0 ? [element('table', 'mlp-table', ...tableRows(metrics))] : [];
  const charts = curves.map(([title, points]) =>
    lineChart(
      title,
      points.map(([x, y]) => ({ x, y, label: `${Number(y.toPrecision(6))} at ${x}` }))
    )
  );
  return charts.length > 0 ? [...shown, element('div', 'mlp-charts', ...charts)] : shown;
}

/** CPU and memory: what was asked for, what was used, what to ask for. */
function use(found: string[][]): HTMLElement[] {
  if (found.length === 0) {
    return [];
  }
  const heads = ['', 'asked for', 'used'].map(head => element('th', { scope: 'col', class: 'mlp-faint' }, head));
  const made = element('table', 'mlp-table', element('tr', {}, ...heads));
  for (const [what = '', asked = '', used = '', advice = ''] of found) {
    const last = element('td', {}, used, advice ? element('div', 'mlp-advice', advice) : '');
    made.append(element('tr', {}, element('th', { scope: 'row' }, what), element('td', {}, asked), last));
  }
  return [made];
}

export function reason({ text, diff }: Reason): HTMLElement {
  const made = element('div', 'mlp-reason', text);
  if (diff) {
    const lines = element('pre', { class: 'mlp-pre mlp-diff', tabindex: '0', 'aria-label': `change of ${text}` });
    for (const line of diff.split('\n')) {
      const kind = line.startsWith('+') ? 'mlp-new' : line.startsWith('-') ? 'mlp-old' : 'mlp-faint';
      lines.append(element('span', kind, `${line}\n`));
    }
    made.append(lines);
  }
  return made;
}

function figure({ png, text }: Shown): HTMLElement {
  if (!png) {
    return pre(text);
  }
  return element('img', { class: 'mlp-figure', src: `data:image/png;base64,${png}`, alt: text || 'figure' });
}

/** Returns a dotted name that a narrow column breaks at its dots. */
function breakable(name: string): (Node | string)[] {
  return name.split(/(?<=\.)/).flatMap((part, index) => (index ? [element('wbr'), part] : [part]));
}

function table(items: Item[]): HTMLTableElement {
  const made = element('table', 'mlp-table');
  for (const item of items) {
    const from = item.from ? element('span', 'mlp-faint', ` ${item.from}`) : '';
    const name = element('th', { scope: 'row' }, item.name, from);
    const about = [item.shape && item.type ? `${item.shape} · ` : item.shape, ...breakable(item.type)];
    const was = item.was ? element('div', 'mlp-faint', item.was) : '';
    const size = element('td', 'mlp-number', item.size);
    made.append(element('tr', {}, name, element('td', {}, ...about, was), size));
    if (item.note) {
      const note = element('pre', { class: 'mlp-pre', tabindex: '0', 'aria-label': `${item.name} begins` }, item.note);
      made.append(element('tr', {}, element('td', { colspan: '3' }, note)));
    }
  }
  return made;
}
