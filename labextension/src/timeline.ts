/** When each step waited and ran, by worker; what made the run as long as it was stands out. */

import { element, framed, hear, QUIETLY, set, tint } from './dom';
import { describe } from './paint';
import type { Bar, GraphState, StepState } from './protocol';
import { describeTime, roundSeconds } from './ticks';
import { Tip } from './tip';

const MOST_TICKS = 8;
const TICK_WIDTH = 56; // pixels, with its words
const TICK_MS = 200;
const NO_TIME_S = 0.02;
const LAST = '\uffff'; // what sorts behind all names

interface Row {
  node: HTMLElement;
  wait: HTMLElement;
  ran: HTMLElement;
  text: HTMLElement;
}

interface Placed {
  name: string;
  lane: string;
  bar: Bar | null;
  state: StepState;
}

export class Timeline {
  readonly node = element('div', { class: 'mlp-timeline', hidden: '' });
  readonly #ticks = element('span', 'mlp-track');
  readonly #axis = element('div', { class: 'mlp-axis', 'aria-hidden': 'true' }, element('span', {}), this.#ticks);
  readonly #lanes = element('div', 'mlp-lanes');
  readonly #scroll = element('div', 'mlp-scroll', this.#axis, this.#lanes);
  readonly #path = element('div', 'mlp-path');
  readonly #tip = new Tip();
  readonly #rows = new Map<string, Row>();
  #order: string | null = null;
  #current = '';
  #state: GraphState | null = null;
  #toldAt = 0;
  #ticking: ReturnType<typeof setInterval> | null = null;
  readonly #resized = new ResizeObserver(() => this.#scale());

  /**
   * @param open - Shows a step; of a run that is over none is shown.
   */
  constructor(private readonly open?: (step: string) => void) {
    const legend = element('div', 'mlp-legend mlp-faint');
    for (const [kind, text] of [['ran', 'running'], ['wait', 'waiting for a worker'], ['point', 'reused']]) {
      legend.append(element('span', {}, element('i', { class: `mlp-${kind}` }), text ?? ''));
    }
    this.node.append(framed(this.#scroll), element('div', 'mlp-foot', this.#path, legend), this.#tip.node);
    hear(this.#scroll, { scroll: () => this.#tip.hide() });
    this.#resized.observe(this.#ticks);
  }

  dispose(): void {
    this.#resized.disconnect();
    this.#stop();
  }

  show(isShown: boolean): void {
    this.node.hidden = !isShown;
    this.#stop();
    this.#draw();
  }

  paint(state: GraphState): void {
    this.#state = state;
    this.#toldAt = performance.now();
    this.#draw();
  }

  /** Puts the focus on a step; tells whether it is there. */
  go(step: string): boolean {
    const row = this.#rows.get(step);
    row?.node.focus();
    return row !== undefined;
  }

  key(event: KeyboardEvent): boolean {
    const rows = [...this.#lanes.querySelectorAll<HTMLElement>('.mlp-row')];
    const at = rows.findIndex(row => row === event.target);
    if (at < 0) {
      return false;
    }
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.open?.(this.#current);
    } else {
      return false;
    }
    return true;
  }

  #draw(): void {
    const state = this.#state;
    if (!state || this.node.hidden) {
      return;
    }
    const placed = place(state);
    const order = placed.map(({ name, lane }) => `${lane}\n${name}`).join('\n\n');
    if (order !== this.#order) {
      this.#order = order;
      this.#arrange(placed);
    }
    for (const step of placed) {
      this.#paintRow(step);
    }
    this.#path.replaceChildren();
    if (state.run.path) {
      this.#path.append(element('b', {}, 'Critical path '), state.run.path);
    }
    this.#scale();
    const isLive = placed.some(({ bar }) => bar !== null && bar.ended === null);
    if (!isLive) {
      this.#stop();
    } else {
      this.#ticking ??= setInterval(() => this.#scale(), TICK_MS);
    }
  }

  #stop(): void {
    if (this.#ticking !== null) {
      clearInterval(this.#ticking);
      this.#ticking = null;
    }
  }

  /** Puts the rows in their order, under the names of their workers. */
  #arrange(placed: Placed[]): void {
    const focused = document.activeElement;
    const nodes: Node[] = [];
    let lane: string | null = null;
    for (const step of placed) {
      if (step.lane !== lane) {
        lane = step.lane;
        nodes.push(element('div', 'mlp-lane mlp-faint', lane));
      }
      nodes.push(this.#row(step.name).node);
    }
    this.#axis.hidden = nodes.length === 0;
    if (nodes.length === 0) {
      nodes.push(element('p', 'mlp-empty mlp-faint', this.open ? 'Nothing has run yet' : 'Nothing ran, or when was not kept'));
    }
    this.#lanes.replaceChildren(...nodes);
    const names = new Set(placed.map(({ name }) => name));
    for (const name of this.#rows.keys()) {
      if (!names.has(name)) {
        this.#rows.delete(name);
      }
    }
    if (!names.has(this.#current)) {
      this.#setCurrent(placed[0]?.name ?? '');
    }
    if (focused instanceof HTMLElement && this.#lanes.contains(focused)) {
      focused.focus(QUIETLY);
    }
  }

  #row(name: string): Row {
    let row = this.#rows.get(name);
    if (!row) {
      const node = element('div', { class: 'mlp-row', role: this.open ? 'button' : 'img', tabindex: '-1' });
      const [wait, ran] = [element('i', 'mlp-wait'), element('i', {})];
      const text = element('span', 'mlp-row-text');
      const title = element('span', { class: 'mlp-row-name', title: name }, name);
      node.append(title, element('span', 'mlp-track', wait, ran), text);
      node.dataset.mlpipeStep = name;
      const leave = (): void => this.#tip.hide();
      hear(node, {
        click: () => this.open?.(name),
        focus: () => this.#setCurrent(name),
        blur: leave,
        pointerenter: () => this.#point(name),
        pointerleave: leave
      });
      row = { node, wait, ran, text };
      this.#rows.set(name, row);
    }
    return row;
  }

  #paintRow({ name, bar, state }: Placed): void {
    const { node, wait, ran, text } = this.#row(name);
    node.dataset.mlpipeStatus = state.status ?? '';
    tint(node, state.colour);
    node.classList.toggle('mlp-critical', bar?.isCritical === true);
    const label = `${state.sign} ${state.text}`;
    if (text.textContent !== label) {
      text.textContent = label;
    }
    set(node, { 'aria-label': [describe(name, state), bar?.text].filter(Boolean).join('. ') });
    span(wait, bar?.queued ?? null, bar?.began ?? bar?.ended ?? null, bar !== null);
    ran.className = bar?.began === null ? 'mlp-point' : 'mlp-ran';
    span(ran, bar?.began ?? bar?.ended ?? null, bar?.ended ?? null, bar !== null);
  }

  /** Moves what goes on along, and the axis with it: nothing else is touched. */
  #scale(): void {
    const seconds = this.#state?.run.seconds ?? 0;
    const now = this.#ticking === null ? seconds : seconds + (performance.now() - this.#toldAt) / 1000;
    const width = this.#ticks.clientWidth || Infinity; // not known before it is shown
    const room = Math.max(1, Math.min(MOST_TICKS, Math.floor(width / TICK_WIDTH)));
    const step = roundSeconds(Math.max(now, 0.001), room);
    // By whole steps while it goes on, so that bars do not shrink all the time.
    const total = this.#ticking === null ? Math.max(now, 0.001) : Math.ceil(now / step) * step;
    this.#scroll.style.setProperty('--mlp-now', String(now));
    this.#scroll.style.setProperty('--mlp-total', String(total));
    const drawn = `${total} ${step}`;
    if (this.#ticks.dataset.drawn !== drawn) {
      this.#ticks.dataset.drawn = drawn;
      this.#ticks.replaceChildren();
      // Where all was reused there is no time to speak of.
      for (let at = 0; total > NO_TIME_S && at <= total * 0.9; at += step) {
        const tick = element('span', {}, describeTime(at, step));
        tick.style.left = `${(100 * at) / total}%`;
        this.#ticks.append(tick);
      }
    }
  }

  #setCurrent(name: string): void {
    set(this.#rows.get(this.#current)?.node, { tabindex: -1 });
    this.#current = name;
    set(this.#rows.get(name)?.node, { tabindex: 0 });
    if (document.activeElement === this.#rows.get(name)?.node) {
      this.#point(name);
    }
  }

  #point(name: string): void {
    const row = this.#rows.get(name);
    const state = this.#state?.steps[name];
    if (!row || !state) {
      return;
    }
    const bar = this.#state?.bars[name];
    const around = this.node.getBoundingClientRect();
    const track = row.ran.parentElement?.getBoundingClientRect() ?? around;
    const { top, bottom } = row.node.getBoundingClientRect();
    const place = {
      left: track.left - around.left,
      right: around.width,
      top: top - around.top,
      bottom: bottom - around.top + 4,
      width: around.width,
      height: around.height
    };
    this.#tip.showStep(name, state, place, bar?.text ? [bar.text] : []);
  }
}

function span(node: HTMLElement, from: number | null, to: number | null, isShown: boolean): void {
  node.hidden = !isShown || from === null;
  node.style.setProperty('--from', String(from ?? 0));
  node.style.setProperty('--to', to === null ? 'var(--mlp-now)' : String(to));
}

/** Returns the steps in the order of their rows: by worker, and there by time; then what did not run. */
function place(state: GraphState): Placed[] {
  const placed: (Placed & { by: [string, number] })[] = [];
  for (const [name, step] of Object.entries(state.steps)) {
    const bar = state.bars[name] ?? null;
    if (step.members.length > 0 || (bar === null && !(state.run.status === 'running' && step.status === 'waiting'))) {
      continue;
    }
    const ran = bar !== null && bar.began !== null;
    const lane = ran ? bar.lane || 'in the notebook' : bar !== null && bar.ended !== null ? 'reused' : 'waiting';
    const by = ran ? lane : `${LAST}${lane}`;
    placed.push({ name, lane, bar, state: step, by: [by, bar?.began ?? bar?.ended ?? 0] });
  }
  return placed.sort(({ by: [lane, at] }, { by: [other, then] }) => lane.localeCompare(other, undefined, { numeric: true }) || at - then);
}
