/** The graph itself: the drawing on a stage, which is moved and zoomed, painted with states, and gone through by keys. */

import { element, hear, QUIETLY, set } from './dom';
import { Minimap } from './minimap';
import { paintFlow, paintStep, plainly, prepare } from './paint';
import { isArrow, neighbour, readPicture, type Box, type Edge, type Node, type Picture } from './picture';
import type { GraphState } from './protocol';
import { Tip, type Place } from './tip';
import { OVERVIEW, Viewport } from './viewport';

const MOST_HIGH = 520;
const MOST_WIDE = 300; // edges
const PIXELS = 1.1; // of one of the drawing's units

export interface GraphActions {
  open(step: string): void;
  /** Folds a group to one node, or unfolds it. */
  fold(group: string, isFolded: boolean): void;
}

export class Graph {
  readonly node = element('div', 'mlp-stage mlp-frame');
  readonly picture: Picture;
  readonly viewport: Viewport;
  current: string;
  readonly #minimap: Minimap;
  readonly #tip = new Tip();
  readonly #resized: ResizeObserver;
  #state: GraphState | null = null;
  #isPressed = false;
  #pointed: Node | null = null;
  #opened: string | null = null;

  constructor(
    svg: SVGSVGElement,
    private readonly actions: GraphActions
  ) {
    this.picture = readPicture(svg);
    this.current = this.picture.nodes.keys().next().value ?? '';
    const width = this.picture.width * PIXELS;
    const height = this.picture.height * PIXELS;
    const sheet = element('div', 'mlp-sheet mlp-drawn');
    sheet.style.width = `${width}px`;
    sheet.style.height = `${height}px`;
    sheet.append(svg);
    this.#prepareSvg(svg);
    this.#minimap = new Minimap(this.picture, PIXELS, () => this.viewport);
    this.node.append(sheet, this.#minimap.node, this.#tip.node);
    this.viewport = new Viewport(this.node, sheet, width, height, () => {
      this.#minimap.place();
      this.#tip.hide();
    });
    this.node.style.height = `${Math.min(MOST_HIGH, height)}px`;
    let isSized = false;
    this.#resized = new ResizeObserver(() => {
      if (!isSized && this.node.clientWidth > 0) {
        // Once: then it is the user's to drag.
        isSized = true;
        this.node.style.height = `${Math.min(MOST_HIGH, this.viewport.startHeight)}px`;
      }
      if (!this.viewport.isMoved) {
        this.#place();
      }
    });
    this.#resized.observe(this.node);
  }

  dispose(): void {
    this.#resized.disconnect();
  }

  /** Paints steps that have changed, and what flows. */
  paint(state: GraphState, steps: Iterable<string>): void {
    this.#state = state;
    let isPointed = false;
    for (const name of steps) {
      const node = this.picture.nodes.get(name);
      const step = state.steps[name];
      if (node && step) {
        paintStep(node, step);
        this.#minimap.paint(name, step);
        isPointed ||= node === this.#pointed;
      }
    }
    if (isPointed) {
      this.#point(this.#pointed);
    }
    for (const edge of this.picture.edges) {
      paintFlow(edge, state.flows[edge.number]?.[0] ?? '');
    }
  }

  /** Marks the step whose panel is open, and shows it large enough to be read. */
  setOpened(name: string | null): void {
    this.#set(this.#opened, { 'aria-expanded': 'false' });
    this.#opened = name;
    if (name !== null && this.picture.nodes.has(name)) {
      this.#setCurrent(name);
      this.#set(name, { 'aria-expanded': 'true' });
    }
    this.#place();
  }

  /** Shows all of it, or the step that is looked at with those beside it; as the user has zoomed it. */
  #place(): void {
    if (this.node.clientWidth === 0) {
      return;
    }
    if (!this.viewport.isMoved) {
      this.viewport.start(this.#opened === null ? OVERVIEW : undefined);
    }
    const isWithin = this.node.contains(document.activeElement);
    const node = this.picture.nodes.get(this.#opened ?? (isWithin ? this.current : ''));
    // Itself last: there may not be room for all.
    [...(node?.above ?? []), ...(node?.below ?? []), node?.name ?? ''].forEach(name => this.reveal(name));
  }

  reveal(name: string): void {
    const node = this.picture.nodes.get(name);
    if (node) {
      this.viewport.reveal(scaled(node));
    }
  }

  /** Goes to a step, and shows where that is: the page may end before the stage does. */
  go(name: string | null): void {
    if (name !== null) {
      this.#focus(name);
      this.node.scrollIntoView({ block: 'nearest' });
    }
  }

  #focus(name: string): void {
    this.picture.nodes.get(name)?.group.focus(QUIETLY);
  }

  /** Goes to a step, or where that is not drawn to the group that it is folded in. */
  goNear(name: string): void {
    const folded = [...this.picture.nodes.values()].find(node => this.#state?.steps[node.name]?.members.includes(name));
    this.#focus(this.picture.nodes.has(name) ? name : (folded?.name ?? this.current));
  }

  hideTip(): void {
    this.#point(null);
  }

  /** Does what a key says that was pressed on a node, or on the box of a group; tells whether it says anything. */
  key(event: KeyboardEvent): boolean {
    const target = event.target instanceof Element ? event.target : null;
    const frame = target?.closest<SVGGElement>('g.mlpipe-group');
    if (frame) {
      if (event.key === 'Enter' || event.key === ' ') {
        this.actions.fold(frame.dataset.mlpipeGroup ?? '', true);
        return true;
      }
      return false;
    }
    if (!target?.closest('g.node')) {
      return false;
    }
    if (event.key === 'Enter' || event.key === ' ') {
      this.#press(this.current);
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
    } else if (event.key === 'g') {
      const node = this.picture.nodes.get(this.current);
      const group = this.#state?.steps[this.current]?.group;
      if (group) {
        this.actions.fold(group, node?.folds === null);
      }
    } else {
      return false;
    }
    return true;
  }

  #press(name: string): void {
    const folds = this.picture.nodes.get(name)?.folds ?? null;
    if (folds !== null) {
      this.actions.fold(folds, false);
    } else {
      this.actions.open(name);
    }
  }

  #prepareSvg(svg: SVGSVGElement): void {
    const n = this.picture.nodes.size;
    const label = `pipeline of ${n} step${n === 1 ? '' : 's'}; arrow keys go along its edges`;
    svg.removeAttribute('style');
    set(svg, { width: '100%', height: '100%', role: 'group', 'aria-label': label });
    for (const node of this.picture.nodes.values()) {
      this.#prepareNode(node);
    }
    for (const edge of this.picture.edges) {
      set(edge.group, { 'aria-hidden': 'true' });
      plainly(edge.group);
      if (this.picture.edges.length <= MOST_WIDE) {
        // Lines are thin: one need not hit them.
        const wide = edge.group.querySelector('path')?.cloneNode() as SVGElement | undefined;
        set(wide, { class: 'mlp-wide' });
        edge.group.prepend(wide ?? '');
      }
      hear(edge.group, { pointerenter: event => this.#pointAtEdge(edge, event), pointerleave: () => this.#point(null) });
    }
    for (const { name, group } of this.picture.frames) {
      plainly(group);
      set(group, { role: 'button', tabindex: 0, 'aria-expanded': 'true', 'aria-label': `group ${name}: fold` });
      hear(group, { click: () => this.#isClick && this.actions.fold(name, true) });
    }
    this.#set(this.current, { tabindex: 0 });
  }

  #set(name: string | null, attributes: Record<string, string | number>): void {
    set(this.picture.nodes.get(name ?? '')?.group, attributes);
  }

  #prepareNode(node: Node): void {
    prepare(node);
    const leave = (): void => this.#point(null);
    hear(node.group, {
      click: () => this.#isClick && this.#press(node.name),
      focus: () => this.#setCurrent(node.name),
      pointerdown: () => {
        // It stays under the pointer: a click ends where it began.
        this.#isPressed = true;
        hear(window, { pointerup: () => (this.#isPressed = false) }, { once: true });
      },
      blur: leave,
      pointerenter: () => this.#point(node),
      pointerleave: leave
    });
  }

  /** Whether a click is one, and not the end of a drag. */
  get #isClick(): boolean {
    return !this.node.classList.contains('mlp-dragged');
  }

  #setCurrent(name: string): void {
    this.#set(this.current, { tabindex: -1 });
    this.current = name;
    const node = this.picture.nodes.get(name);
    if (node) {
      this.#set(name, { tabindex: 0 });
      if (!this.#isPressed) {
        this.reveal(name);
      }
      this.#point(node);
    }
  }

  /** Shows the tip of a node, and the edges that meet it. */
  #point(node: Node | null): void {
    this.#pointed = node;
    this.#tip.hide();
    for (const { from, to, group } of this.picture.edges) {
      group.classList.toggle('mlp-met', node !== null && (from === node.name || to === node.name));
    }
    const state = node && this.#state?.steps[node.name];
    if (node && state) {
      const { scale, x, y, size } = this.viewport;
      const box = scaled(node);
      const place: Place = {
        left: box.x * scale + x,
        right: (box.x + box.width) * scale + x,
        top: box.y * scale + y,
        bottom: (box.y + box.height) * scale + y,
        ...size
      };
      const how = node.folds === null ? [] : ['Enter or a click unfolds it'];
      this.#tip.showStep(node.name, state, place, how);
    }
  }

  #pointAtEdge(edge: Edge, event: PointerEvent): void {
    const [, ...lines] = this.#state?.flows[edge.number] ?? [];
    this.#point(null);
    edge.group.classList.add('mlp-met');
    const { left, top } = this.node.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const ends = `${edge.from.replace(/\/$/, '')} → ${edge.to.replace(/\/$/, '')}`;
    this.#tip.showLines([ends, ...lines], { left: x, right: x, top: y, bottom: y, ...this.viewport.size });
  }
}

function scaled({ box }: Node): Box {
  return { x: box.x * PIXELS, y: box.y * PIXELS, width: box.width * PIXELS, height: box.height * PIXELS };
}
