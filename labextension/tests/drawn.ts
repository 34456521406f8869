/** A graph as the kernel puts it into the page, and what it says of it; see `drawing.py` and `graphfacts.py`. */

import type { GraphState, Message, StepState } from '../src/protocol';

const SVG = 'http://www.w3.org/2000/svg';

function svgElement(tag: string, attributes: Record<string, string>, text = ''): Element {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.textContent = text;
  return made;
}

/** Returns a drawing of steps at given places (in points, y negative above as Graphviz has it), and edges. */
export function draw(places: Record<string, [number, number]>, edges: [string, string][] = []): SVGSVGElement {
  const drawing = Object.keys(places).join();
  const svg = svgElement('svg', { viewBox: '0.00 0.00 400.00 300.00', style: 'max-width:100%', 'data-mlpipe-drawing': drawing });
  const whole = svgElement('g', { transform: 'scale(1 1) rotate(0) translate(10 290)' });
  svg.append(whole);
  for (const [name, [x, y]] of Object.entries(places)) {
    const group = svgElement('g', { class: 'node', 'data-mlpipe-step': name });
    group.append(
      svgElement('title', {}, name),
      svgElement('rect', { class: 'mlpipe-box', fill: '#fff', x: `${x}`, y: `${y}`, width: '60', height: '30' }),
      svgElement('text', {}, name),
      svgElement('text', { class: 'mlpipe-state' }, '· registered')
    );
    whole.append(group);
  }
  const names = Object.keys(places);
  edges.forEach(([from, to], number) => {
    const ends = `${number} ${names.indexOf(from)} ${names.indexOf(to)}`;
    const group = svgElement('g', { 'data-mlpipe-flow': ends });
    group.append(svgElement('path', { d: 'M0,0' }), svgElement('text', { class: 'mlpipe-size' }, ' '));
    whole.append(group);
  });
  return svg as SVGSVGElement;
}

export const DIAMOND: [string, string][] = [
  ['load', 'left'],
  ['load', 'right'],
  ['left', 'join'],
  ['right', 'join']
];

/**
 *        load
 *     left  right
 *        join
 */
export function diamond(): SVGSVGElement {
  return draw({ load: [100, -280], left: [40, -180], right: [180, -180], join: [100, -80] }, DIAMOND);
}

export function put(svg: SVGSVGElement, graph = 'g1'): HTMLElement {
  const root = document.createElement('div');
  root.className = 'mlpipe mlpipe-root';
  root.setAttribute('data-mlpipe-graph', graph);
  const picture = document.createElement('div');
  picture.className = 'mlpipe-picture';
  picture.append(svg);
  root.append(picture);
  document.body.append(root);
  return root;
}

export function step(part: Partial<StepState> = {}): StepState {
  return {
    status: 'waiting',
    plan: null,
    sign: '…',
    text: 'waiting',
    colour: '#8a8a8a',
    filled: true,
    why: '',
    worker: null,
    progress: null,
    makes: [],
    group: '',
    members: [],
    ...part
  };
}

export function state(names: string[], part: Partial<GraphState> = {}): GraphState {
  return {
    run: { status: 'running', sign: '▶', colour: '#c79100', text: `running, 0 of ${names.length} steps done, 0 s`, seconds: 0, path: '' },
    steps: Object.fromEntries(names.map(name => [name, step()])),
    flows: {},
    bars: {},
    stale: '',
    ...part
  };
}

export async function frame(): Promise<void> {
  await new Promise(resolve => requestAnimationFrame(resolve));
  await new Promise(resolve => setTimeout(resolve));
}

/** Returns a message on the graph `g1` as it is once it has been read. */
export function message<K extends Message['kind']>(
  kind: K,
  told: Extract<Message, { kind: K }>['told'],
  { n = 0, step = '' }: { n?: number; step?: string } = {}
): Message {
  return { kind, graph: 'g1', n, step, told } as Message;
}
