/** Runs the step of a cell and what belongs to it, as the cells stand in the page. */

import { type Cell, isCodeCellModel } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import { isPart, list, text } from '../protocol';
import type { Pipeline } from './pipeline';

export type How = 'only' | 'to' | 'from' | 'force';

/**
 * Runs it; returns what there is to say of that.
 *
 * Cells of these steps that were edited, or have not run, run first, as cells do. All else starts by what the
 * kernel hears while it is busy, and shows as it goes on.
 */
export async function run(pipeline: Pipeline, cell: Cell, how: How): Promise<string> {
  const id = cell.model.id;
  const { content, sessionContext } = pipeline.panel;
  const asked = await ask(pipeline, id, how);
  if (asked.first.length) {
    const cells = content.widgets.filter(widget => asked.first.includes(widget.model.id));
    if (!(await NotebookActions.runCells(content, cells, sessionContext))) {
      return '';
    }
    if (how === 'only' && asked.first.includes(id)) {
      return '';
    }
    const after = await ask(pipeline, id, how);
    if (how === 'force' && asked.first.includes(id) && after.status === 'succeeded') {
      return '';
    }
    asked.step = after.step;
  }
  return text((await pipeline.ask({ do: 'run', how, step: asked.step })).text);
}

async function ask(pipeline: Pipeline, cell: string, how: How) {
  const texts: Record<string, string> = {};
  for (const { model } of pipeline.panel.content.widgets) {
    if (isCodeCellModel(model) && (pipeline.steps.has(model.id) || model.id === cell)) {
      texts[model.id] = model.sharedModel.getSource();
    }
  }
  const answer = await pipeline.ask({ do: 'edited', cell, how, texts });
  return isPart(answer)
    ? { step: text(answer.step), status: text(answer.status), first: list(answer.first).map(text) }
    : { step: '', status: '', first: [] };
}
