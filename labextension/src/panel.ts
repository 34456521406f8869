/** All that there is to know of one step, beside the graph. */

import { button, element } from './dom';
import type { Detail, Item, Reason, RunHow, Shown, StepState } from './protocol';

export interface PanelActions {
  close(): void;
  run(how: RunHow, step: string): void;
}

export class Panel {
  readonly node = element('section', { class: 'mlp-panel', tabindex: '-1' });
  private readonly state = element('div', { class: 'mlp-state' });
  private readonly body = element('div', { class: 'mlp-body' });
  private log: HTMLPreElement | null = null;
  step: string | null = null;

  constructor(private readonly actions: PanelActions) {
    this.node.hidden = true;
  }

  open(step: string, state: StepState | undefined): void {
    this.step = step;
    this.log = null;
    this.node.hidden = false;
    this.node.setAttribute('aria-label', `step ${step}`);
    const title = element('h3', { class: 'mlp-title', title: step }, step);
    const close = button('×', 'Close (Escape)', () => this.actions.close());
    const acts = element('div', { class: 'mlp-acts' });
    const hows: [RunHow, string, string][] = [
      ['to', 'Run to here', 'Run this step and what is above it'],
      ['from', 'Run from here', 'Run this step and all below it'],
      ['force', 'Force', 'Run this step though its result could be reused']
    ];
    for (const [how, label, does] of hows) {
      acts.append(button(label, does, () => this.actions.run(how, step)));
    }
    this.body.replaceChildren(element('p', { class: 'mlp-faint' }, 'Asked the kernel …'));
    this.node.replaceChildren(element('header', {}, title, close), this.state, acts, this.body);
    this.node.scrollTop = 0;
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
    this.state.style.setProperty('--mlp-c', state.colour);
    const worker = state.worker ? element('span', { class: 'mlp-faint' }, ` on ${state.worker}`) : '';
    this.state.replaceChildren(element('b', {}, `${state.sign} ${state.text}`), worker);
  }

  show(detail: Detail): void {
    // What the reader has folded or scrolled stays so when the step goes on.
    const folded = new Set(
      [...this.body.querySelectorAll('details')].filter(part => !part.open).map(part => part.dataset.part)
    );
    const parts: (Node | null)[] = [
      detail.traceback ? section('Error', pre(detail.traceback, 'mlp-error')) : null,
      detail.reasons.length > 0 ? section('Why', ...detail.reasons.map(reason)) : null,
      detail.reads.length > 0 ? section('Reads', table(detail.reads)) : null,
      detail.makes.length > 0 ? section('Makes', table(detail.makes)) : null,
      section('Log', this.logOf(detail.log)),
      detail.shown.length > 0 ? section('Shown', ...detail.shown.map(figure)) : null,
      detail.code ? section('Code', pre(detail.code)) : null,
      detail.facts.length > 0 ? section('Run', rows(detail.facts)) : null,
      detail.ends.length > 0 ? section('Before', rows(detail.ends)) : null
    ];
    const interfaceLine = element('p', { class: 'mlp-interface' }, detail.interface);
    this.body.replaceChildren(interfaceLine, ...parts.filter(part => part !== null));
    for (const part of this.body.querySelectorAll('details')) {
      part.open = !folded.has(part.dataset.part);
    }
    this.scrollLog();
  }

  append(text: string): void {
    const isAtEnd = this.log && this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 4;
    this.log?.classList.remove('mlp-faint');
    if (this.log?.dataset.empty) {
      delete this.log.dataset.empty;
      this.log.textContent = '';
    }
    this.log?.append(text);
    if (isAtEnd) {
      this.scrollLog();
    }
  }

  private logOf(text: string): HTMLPreElement {
    this.log = pre(text || 'nothing printed', text ? '' : 'mlp-faint');
    this.log.classList.add('mlp-log');
    if (!text) {
      this.log.dataset.empty = '1';
    }
    return this.log;
  }

  private scrollLog(): void {
    if (this.log) {
      this.log.scrollTop = this.log.scrollHeight;
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

function reason({ text, diff }: Reason): HTMLElement {
  const made = element('div', { class: 'mlp-reason' }, text);
  if (diff) {
    const lines = element('pre', { class: 'mlp-pre mlp-diff', tabindex: '0', 'aria-label': `change of ${text}` });
    for (const line of diff.split('\n')) {
      const kind = line.startsWith('+') ? 'mlp-new' : line.startsWith('-') ? 'mlp-old' : 'mlp-faint';
      lines.append(element('span', { class: kind }, `${line}\n`));
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

function table(items: Item[]): HTMLTableElement {
  const made = element('table', { class: 'mlp-table' });
  for (const item of items) {
    const from = item.from ? element('span', { class: 'mlp-faint' }, ` ${item.from}`) : '';
    const name = element('th', { scope: 'row' }, item.name, from);
    const about = [item.shape, item.type].filter(Boolean).join(' · ');
    const was = item.was ? element('div', { class: 'mlp-faint' }, item.was) : '';
    const size = element('td', { class: 'mlp-number' }, item.size);
    made.append(element('tr', {}, name, element('td', {}, about, was), size));
    if (item.note) {
      const note = element('pre', { class: 'mlp-pre', tabindex: '0', 'aria-label': `${item.name} begins` }, item.note);
      made.append(element('tr', {}, element('td', { colspan: '3' }, note)));
    }
  }
  return made;
}

function rows(lines: string[][]): HTMLTableElement {
  const made = element('table', { class: 'mlp-table' });
  for (const [first = '', ...others] of lines) {
    const cells = others.map(text => element('td', {}, text));
    made.append(element('tr', {}, element('th', { scope: 'row' }, first), ...cells));
  }
  return made;
}
