/** Signs of our commands. */

import { LabIcon } from '@jupyterlab/ui-components';

function icon(name: string, shape: string): LabIcon {
  const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">${shape}</svg>`;
  return new LabIcon({ name: `jupyter-mlpipe:${name}`, svgstr });
}

const LINE =
  'class="jp-icon3" style="fill: none" stroke="#616161" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"';
const FULL = 'class="jp-icon3" fill="#616161"';

/** Two steps and what goes on below them. */
export const stepIcon = icon(
  'step',
  `<rect x="2" y="2" width="8" height="5" rx="1.5" ${LINE}/><path d="M6 7v3.5h4" ${LINE}/><path d="M10 8.2l4 2.3-4 2.3z" ${FULL}/>`
);

export const runStepIcon = icon(
  'run-step',
  `<rect x="1.7" y="2.7" width="12.6" height="10.6" rx="2.5" ${LINE}/><path d="M6.4 5.3v5.4L11 8z" ${FULL}/>`
);

export const whyIcon = icon(
  'why',
  `<circle cx="8" cy="8" r="6.2" ${LINE}/><path d="M6.2 6.4a1.8 1.8 0 1 1 2.6 1.7c-.6.3-.8.6-.8 1.2" ${LINE}/><circle cx="8" cy="11.3" r=".8" ${FULL}/>`
);
