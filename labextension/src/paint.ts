/** The state of a step, put on its node, and that of a run. Nothing moves. */

import { element, set, shape, tint } from './dom';
import type { Edge, Node } from './picture';
import type { GraphState, StepState } from './protocol';

/** Makes a node of the kernel's drawing one that can be reached, and whose colours follow its state. */
export function prepare(node: Node): void {
  const { group, name } = node;
  set(group, { tabindex: -1, role: 'button', 'aria-label': name, 'aria-expanded': 'false' });
  // A title would cover the tip with the browser's own.
  group.querySelector('title')?.remove();
  plainly(group);
  for (const label of group.querySelectorAll('text')) {
    set(label, { 'aria-hidden': 'true' });
  }
}

/** Takes its own colours from a part of the drawing: those of the style sheet follow its state. */
export function plainly(group: SVGGElement): void {
  for (const drawn of [group, ...group.querySelectorAll<SVGElement>('*')]) {
    drawn.removeAttribute('style');
    drawn.removeAttribute('fill');
    drawn.removeAttribute('stroke');
  }
}

export function paintStep(node: Node, state: StepState): void {
  const { group, name } = node;
  setData(group, 'mlpipeStatus', state.status);
  setData(group, 'mlpipePlan', state.plan);
  tint(group, state.colour);
  group.style.setProperty('--mlp-share', state.filled ? '16%' : '0%');
  const label = group.querySelector('.mlpipe-state');
  if (label) {
    label.textContent = `${state.sign} ${state.text}`;
  }
  set(group, { 'aria-label': describe(name, state) });
  paintProgress(node, state.progress);
}

/** Says how a run is: its sign and state in the colour of that, and what else there is to say. */
export function paintRun(node: HTMLElement, { status, sign, colour, text }: GraphState['run']): void {
  const word = status && text.startsWith(status) ? status : '';
  const state = element('b', 'mlp-state', `${sign} ${word}`.trim());
  tint(state, colour);
  node.replaceChildren(state, `${sign && !word ? ' ' : ''}${text.slice(word.length)}`);
  node.title = text;
}

/** What is read out of a step, or of a folded group. */
export function describe(name: string, state: StepState): string {
  const worker = state.worker ? `on ${state.worker}` : '';
  const n = state.members.length;
  const title = n > 0 ? `group ${state.group} of ${n} step${n === 1 ? '' : 's'}` : name;
  return [`${title}: ${state.text}`, state.why, worker].filter(Boolean).join('. ');
}

export function paintFlow(edge: Edge, size: string): void {
  const label = edge.group.querySelector('.mlpipe-size');
  // Its space keeps it off the edge, as the name above it is.
  const text = ` ${size}`;
  if (label && label.textContent !== text) {
    label.textContent = text;
  }
}

function setData(group: SVGGElement, name: string, value: string | null): void {
  if (value) {
    group.dataset[name] = value;
  } else {
    delete group.dataset[name];
  }
}

function paintProgress(node: Node, progress: number | null): void {
  let bar = node.group.querySelector('.mlp-progress');
  if (progress === null) {
    bar?.remove();
    return;
  }
  if (!bar) {
    const box = node.group.querySelector('.mlpipe-box');
    const value = (name: string): number => Number(box?.getAttribute(name) ?? 0);
    const [x, y] = [value('x') + 8, value('y') + value('height') - 5];
    bar = shape('rect', { class: 'mlp-progress', height: 3, rx: 1.5, x, y });
    node.group.append(bar);
  }
  set(bar, { width: Math.max(0, (node.box.width - 16) * Math.min(1, Math.max(0, progress))) });
}
