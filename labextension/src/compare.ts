/** Two runs side by side: their graphs, and what differs between them and why. */

import { element, scroller, tableRows, tint } from './dom';
import { plainly } from './paint';
import type { Compared, StepDiff } from './protocol';
import { reason } from './panel';
import { toDrawing } from './svg';

export function comparison(compared: Compared): HTMLElement {
  const [before, now] = compared.runs.map(({ text }) => text);
  const heads = [before ?? '', now ?? ''];
  const differing = compared.steps.filter(({ differs }) => differs);
  const parts: HTMLElement[] = [];
  if (compared.pictures.length === 2) {
    const pictures = compared.pictures.map((picture, at) => drawn(picture, heads[at] ?? '', compared.steps, at));
    parts.push(element('div', 'mlp-pair', ...pictures));
  }
  if (compared.parameters.length > 0) {
    parts.push(table('Parameters', ['parameter', ...heads], compared.parameters));
  }
  parts.push(element('h4', 'mlp-heading', differing.length > 0 ? 'Steps that differ' : 'No step differs'));
  parts.push(...differing.map(step => stepPart(step)));
  if (compared.same > 0 && differing.length > 0) {
    const others = compared.same === 1 ? 'One step is' : `${compared.same} steps are`;
    parts.push(element('p', 'mlp-faint', `${others} the same in both.`));
  }
  return scroller('Differences', ...parts);
}

function drawn(text: string, head: string, steps: StepDiff[], at: number): HTMLElement {
  const figure = element('figure', 'mlp-picture', element('figcaption', {}, head));
  const svg = toDrawing(text);
  if (svg) {
    svg.style.maxWidth = `${svg.getAttribute('width')}px`; // a small drawing is not blown up
    ['width', 'height'].forEach(name => svg.removeAttribute(name));
    paint(svg, steps, at);
    figure.append(element('div', 'mlp-drawn', svg as unknown as Node));
  }
  return figure;
}

function paint(svg: SVGSVGElement, steps: StepDiff[], at: number): void {
  const known = new Map(steps.map(step => [step.name, step]));
  for (const group of svg.querySelectorAll<SVGGElement>('g.node, [data-mlpipe-flow]')) {
    plainly(group);
    group.querySelector('title')?.remove();
    const step = known.get(group.dataset.mlpipeStep ?? '');
    if (step) {
      const [colour, words] = step.states[at] ?? ['', ''];
      tint(group, colour);
      const label = group.querySelector('.mlpipe-state');
      if (label) {
        label.textContent = words;
      }
      group.classList.toggle('mlp-differs', step.differs);
      group.classList.toggle('mlp-absent', words === '' || !group.dataset.mlpipeStatus);
    }
  }
}

function stepPart({ name, states, reasons, metrics }: StepDiff): HTMLElement {
  const [before, now] = states.map(([colour, words]) => {
    const made = element('span', 'mlp-state', words);
    tint(made, colour);
    return made;
  });
  const head = element('div', 'mlp-pairhead', element('b', {}, name), before ?? '', '→', now ?? '');
  const made = element('section', { class: 'mlp-differing', 'aria-label': name, 'data-mlpipe-step': name }, head);
  made.append(...reasons.map(reason));
  for (const [metric = '', old = '', later = ''] of metrics) {
    made.append(element('div', 'mlp-metric', `${metric} `, element('span', {}, `${old} → ${later}`)));
  }
  return made;
}

function table(title: string, heads: string[], lines: string[][]): HTMLElement {
  const head = element('tr', {}, ...heads.map(text => element('th', { scope: 'col' }, text)));
  const parts = [element('caption', 'mlp-heading', title), element('thead', {}, head), element('tbody', {}, ...tableRows(lines))];
  return element('table', 'mlp-table mlp-grid', ...parts);
}
