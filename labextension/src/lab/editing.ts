/** Changes a cell's text as the kernel says, such that it can be undone. */

import type { Cell } from '@jupyterlab/cells';
import { list, text } from '../read';
import type { Pipeline } from './pipeline';

/** Asks the kernel what to put in place of what, and does that; returns what the user should know of it. */
export async function edit(pipeline: Pipeline, cell: Cell, what: string): Promise<string> {
  const model = cell.model.sharedModel;
  const before = model.getSource();
  const answer = await pipeline.ask({ do: what, cell: cell.model.id, text: before });
  if (typeof answer.from !== 'number' || typeof answer.to !== 'number') {
    throw new Error('The kernel said nothing of what to change');
  }
  if (model.getSource() !== before) {
    throw new Error('The cell was changed meanwhile: try it again');
  }
  // A step of its own for Ctrl+Z, apart from what was typed just before.
  stopCapturing(model);
  model.updateSource(answer.from, answer.to, text(answer.insert));
  stopCapturing(model);
  const [start, end] = list(answer.select);
  if (typeof start === 'number' && typeof end === 'number') {
    select(pipeline, cell, start, end);
  }
  return text(answer.note);
}

function stopCapturing(model: object): void {
  if ('undoManager' in model) {
    const manager = model.undoManager;
    if (typeof manager === 'object' && manager !== null && 'stopCapturing' in manager) {
      (manager as { stopCapturing(): void }).stopCapturing();
    }
  }
}

/** Selects a name that was made up, so that another can be typed in its place. */
function select(pipeline: Pipeline, cell: Cell, start: number, end: number): void {
  const { editor } = cell;
  const from = editor?.getPositionAt(start);
  const to = editor?.getPositionAt(end);
  if (editor && from && to) {
    pipeline.panel.content.mode = 'edit';
    editor.focus();
    editor.setSelection({ start: from, end: to });
  }
}
