/** One graph in the page: the drawing on a stage, with a bar above it and a step's panel beside it. */

import { button, element } from './dom';
import { Finder } from './finder';
import { Minimap } from './minimap';
import { News } from './news';
import { paintFlow, paintStep, plainly, prepare } from './paint';
import { Panel } from './panel';
import { isArrow, neighbour, readPicture, type Node, type Picture } from './picture';
import { apply, type Ask, type GraphState, type Message, type RunHow } from './protocol';
import { Tip } from './tip';
import { Viewport } from './viewport';

const MOST_HIGH = 520;
const PIXELS = 1.1; // of one of the drawing's units
const WAITS_MS = 400;

export class View {
  readonly node: HTMLElement;
  private readonly picture: Picture;
  private readonly viewport: Viewport;
  private readonly minimap: Minimap;
  private readonly news = new News();
  private readonly panel: Panel;
  private readonly stage: HTMLElement;
  private readonly tip = new Tip();
  private readonly runText = element('span', { class: 'mlp-run' });
  private readonly said = element('span', { class: 'mlp-said' });
  private readonly finder: Finder;
  private readonly runButton: HTMLButtonElement;
  private readonly stopButton: HTMLButtonElement;
  private readonly resized: ResizeObserver;
  private state: GraphState = { run: { status: null, text: '' }, steps: {}, flows: {} };
  private n = -1;
  private isBehind = false;
  private current: string;
  private isPressed = false;
  private pointed: Node | null = null;
  private pending = new Set<string>();
  private frame = 0;
  private waits: ReturnType<typeof setTimeout> | null = null;

  constructor(
    readonly graph: string,
    svg: SVGSVGElement,
    private readonly ask: (asked: Ask) => void
  ) {
    this.picture = readPicture(svg);
    this.current = this.picture.nodes.keys().next().value ?? '';
    const width = this.picture.width * PIXELS;
    const height = this.picture.height * PIXELS;

    this.panel = new Panel({ close: () => this.close(), run: (how, step) => this.run(how, step) });
    const sheet = element('div', { class: 'mlp-sheet' });
    sheet.style.width = `${width}px`;
    sheet.style.height = `${height}px`;
    sheet.append(svg);
    this.prepareSvg(svg);
    this.stage = element('div', { class: 'mlp-stage' });
    this.minimap = new Minimap(this.picture, PIXELS, () => this.viewport);
    this.stage.append(sheet, this.minimap.node, this.tip.node);
    this.viewport = new Viewport(this.stage, sheet, width, height, () => {
      this.minimap.place();
      this.tip.hide();
    });

    this.finder = new Finder(this.picture, {
      makes: name => this.state.steps[name]?.makes.map(([output]) => output) ?? [],
      found: names => {
        this.news.add('found', `${names.length} found`);
        this.reveal(names[0] ?? '');
      },
      go: name => this.go(name),
      leave: () => this.go(this.current)
    });
    this.runButton = button('Run', 'Run all that is not done', () => this.run('all'));
    this.stopButton = button('Stop', 'Stop what runs', () => {
      this.say('Stopping …');
      this.ask({ graph, do: 'stop' });
    });
    const zoom = element(
      'div',
      { class: 'mlp-group', role: 'group', 'aria-label': 'Zoom' },
      button('−', 'Zoom out (-)', () => this.viewport.zoom(1 / 1.25)),
      button('+', 'Zoom in (+)', () => this.viewport.zoom(1.25)),
      button('Fit', 'Show all (0)', () => this.viewport.fit())
    );
    const acts = element('div', { class: 'mlp-group' }, this.runButton, this.stopButton);
    const bar = element('div', { class: 'mlp-bar' }, this.runText, this.said, this.finder.node, zoom, acts);
    const main = element('div', { class: 'mlp-main' }, this.stage, this.panel.node);
    this.node = element('div', { class: 'mlp' }, bar, main, this.news.node);
    this.node.addEventListener('focusin', event => {
      this.focused = event.target as HTMLElement | SVGElement;
    });
    this.node.addEventListener('focusout', event => {
      // Without a target where it is taken out of the page.
      if (event.relatedTarget !== null) {
        this.focused = null;
      }
    });
    this.node.addEventListener('keydown', event => this.key(event));
    this.stage.style.height = `${Math.min(MOST_HIGH, height)}px`;
    let isSized = false;
    this.resized = new ResizeObserver(() => {
      if (!isSized && this.stage.clientWidth > 0) {
        // Once: then it is the user's to drag.
        isSized = true;
        this.stage.style.height = `${Math.min(MOST_HIGH, this.viewport.startHeight)}px`;
      }
      if (!this.viewport.isMoved) {
        this.viewport.start();
        this.reveal(this.panel.step ?? '');
      }
    });
    this.resized.observe(this.stage);
    this.paintRun();
  }

  /** Takes what the kernel says of this graph. */
  take(message: Message): void {
    switch (message.kind) {
      case 'all':
        this.n = message.n;
        this.isBehind = false;
        this.update(message.state, Object.keys(message.state.steps));
        break;
      case 'changed':
        if (message.n <= this.n) {
          break;
        }
        if (message.n > this.n + 1) {
          if (!this.isBehind) {
            this.isBehind = true;
            this.ask({ graph: this.graph, do: 'hello' });
          }
          break;
        }
        this.n = message.n;
        this.update(apply(this.state, message.changed), Object.keys(message.changed.steps ?? {}));
        break;
      case 'detail':
        if (message.step === this.panel.step) {
          this.panel.show(message.detail);
        }
        break;
      case 'log':
        if (message.step === this.panel.step) {
          this.panel.append(message.text);
        }
        break;
      case 'said':
        this.say(message.text);
        break;
    }
  }

  /** What in it has, or had last, the focus; null where it is elsewhere. */
  focused: HTMLElement | SVGElement | null = null;

  /** Tells whether it shows the drawing that the kernel has put into the page since. */
  isOf(svg: Element): boolean {
    const parts = (drawn: Element) =>
      [...drawn.querySelectorAll('[data-mlpipe-step]')].map(node => node.getAttribute('data-mlpipe-step')).join('\n') +
      drawn.getAttribute('viewBox');
    return parts(svg) === parts(this.picture.svg);
  }

  /** Leaves the picture as it is: nobody keeps it up to date any more. */
  dispose(): void {
    this.resized.disconnect();
    this.news.dispose();
    this.close();
    this.node.classList.add('mlp-ended');
  }

  private prepareSvg(svg: SVGSVGElement): void {
    svg.setAttribute('width', '100%');
    svg.setAttribute('height', '100%');
    svg.removeAttribute('style');
    svg.setAttribute('role', 'group');
    const n = this.picture.nodes.size;
    svg.setAttribute('aria-label', `pipeline of ${n} step${n === 1 ? '' : 's'}; arrow keys go along its edges`);
    for (const node of this.picture.nodes.values()) {
      prepare(node);
      node.group.addEventListener('click', () => {
        if (!this.stage.classList.contains('mlp-dragged')) {
          this.open(node.name);
        }
      });
      node.group.addEventListener('focus', () => this.setCurrent(node.name));
      node.group.addEventListener('pointerdown', () => {
        // It stays under the pointer: a click ends where it began.
        this.isPressed = true;
        window.addEventListener('pointerup', () => (this.isPressed = false), { once: true });
      });
      node.group.addEventListener('blur', () => this.point(null));
      node.group.addEventListener('pointerenter', () => this.point(node));
      node.group.addEventListener('pointerleave', () => this.point(null));
    }
    for (const { group } of this.picture.edges) {
      group.setAttribute('aria-hidden', 'true');
      plainly(group);
    }
    this.picture.nodes.get(this.current)?.group.setAttribute('tabindex', '0');
  }

  private update(state: GraphState, steps: string[]): void {
    for (const name of steps) {
      const before = this.state.steps[name];
      const after = state.steps[name];
      if (before && after && before.status !== after.status) {
        this.news.add(name, `${name} ${after.text}`);
      }
      this.pending.add(name);
    }
    const open = this.panel.step;
    const known = open === null ? undefined : this.state.steps[open];
    const hasEnded = this.state.run.status === 'running' && state.run.status !== 'running';
    this.state = state;
    if (hasEnded) {
      this.say('');
      this.news.add('', `run ${state.run.text}`);
    }
    if (open !== null && steps.includes(open)) {
      this.panel.paint(state.steps[open]);
      if (known && known.status !== state.steps[open]?.status) {
        this.ask({ graph: this.graph, do: 'step', step: open });
      }
    }
    // What comes between two frames is drawn at once.
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    this.frame = 0;
    for (const name of this.pending) {
      const node = this.picture.nodes.get(name);
      const state = this.state.steps[name];
      if (node && state) {
        paintStep(node, state);
        this.minimap.paint(name, state);
      }
    }
    if (this.pointed && this.pending.has(this.pointed.name)) {
      this.point(this.pointed);
    }
    this.pending.clear();
    for (const edge of this.picture.edges) {
      paintFlow(edge, this.state.flows[edge.number] ?? '');
    }
    this.paintRun();
  }

  private paintRun(): void {
    const { status, text } = this.state.run;
    this.runText.textContent = text;
    this.runText.title = text;
    this.stopButton.disabled = status !== 'running';
    this.runButton.disabled = status === 'running';
  }

  private say(text: string): void {
    if (this.waits !== null) {
      clearTimeout(this.waits);
      this.waits = null;
    }
    this.said.textContent = text;
    this.said.title = text;
    if (text) {
      this.news.add('said', text);
    }
  }

  private run(how: RunHow, step?: string): void {
    this.ask({ graph: this.graph, do: 'run', how, ...(step === undefined ? {} : { step }) });
    // Only a free kernel hears it, and answers at once.
    this.waits ??= setTimeout(() => this.say('Starts when the kernel is free'), WAITS_MS);
  }

  // -- one step ---------------------------------------------------------------------------------

  private open(name: string): void {
    if (this.panel.step !== null) {
      this.picture.nodes.get(this.panel.step)?.group.setAttribute('aria-expanded', 'false');
    }
    this.setCurrent(name);
    const node = this.picture.nodes.get(name);
    node?.group.setAttribute('aria-expanded', 'true');
    this.panel.open(name, this.state.steps[name]);
    this.node.classList.add('mlp-opened');
    this.panel.node.focus({ preventScroll: true });
    this.ask({ graph: this.graph, do: 'step', step: name });
    this.reveal(name);
  }

  private reveal(name: string): void {
    const node = this.picture.nodes.get(name);
    if (node) {
      this.viewport.reveal(scaled(node));
    }
  }

  private close(): void {
    const name = this.panel.step;
    if (name === null) {
      return;
    }
    this.panel.close();
    this.node.classList.remove('mlp-opened');
    const group = this.picture.nodes.get(name)?.group;
    group?.setAttribute('aria-expanded', 'false');
    group?.focus({ preventScroll: true });
    this.ask({ graph: this.graph, do: 'close' });
  }

  private setCurrent(name: string): void {
    this.picture.nodes.get(this.current)?.group.setAttribute('tabindex', '-1');
    this.current = name;
    const node = this.picture.nodes.get(name);
    node?.group.setAttribute('tabindex', '0');
    if (node) {
      if (!this.isPressed) {
        this.reveal(name);
      }
      this.point(node);
    }
  }

  /** Shows the tip of a node, and the edges that meet it. */
  private point(node: Node | null): void {
    this.pointed = node;
    this.tip.hide();
    for (const { from, to, group } of this.picture.edges) {
      group.classList.toggle('mlp-met', node !== null && (from === node.name || to === node.name));
    }
    const state = node && this.state.steps[node.name];
    if (node && state) {
      this.tip.show(node.name, state, scaled(node), this.viewport);
    }
  }

  // -- keyboard ---------------------------------------------------------------------------------

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    // JupyterLab takes plain keys for the notebook, wherever the focus is in it.
    event.stopPropagation();
    if (event.target === this.finder.node) {
      return;
    }
    const isNode = event.target instanceof Element && event.target.closest('g.node') !== null;
    if (event.key === 'Escape') {
      this.close();
      this.point(null);
    } else if (!isNode) {
      return;
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.open(this.current);
    } else if (isArrow(event.key)) {
      this.go(neighbour(this.picture, this.current, event.key));
    } else if (event.key === 'Home' || event.key === 'End') {
      const names = [...this.picture.nodes.keys()];
      this.go(names.at(event.key === 'Home' ? 0 : -1) ?? null);
    } else if (event.key === '+' || event.key === '=') {
      this.viewport.zoom(1.25);
    } else if (event.key === '-') {
      this.viewport.zoom(1 / 1.25);
    } else if (event.key === '0') {
      this.viewport.fit();
    } else if (event.key === '/') {
      this.finder.node.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  private go(name: string | null): void {
    if (name !== null) {
      this.picture.nodes.get(name)?.group.focus({ preventScroll: true });
    }
  }
}

function scaled({ box }: Node): Node['box'] {
  return { x: box.x * PIXELS, y: box.y * PIXELS, width: box.width * PIXELS, height: box.height * PIXELS };
}
