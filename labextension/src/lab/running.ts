/** Runs the step of a cell and what belongs to it, as the cells stand in the page. */

import { type Cell, isCodeCellModel } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import { list, text } from '../read';
import type { Pipeline } from './pipeline';

const LOADED_MS = 10_000;

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
    const after = await ask(pipeline, id, how);
    // Its cell has run it, unless cells only register: `%pipeline mode register`.
    const hasRun = asked.first.includes(id) && after.status !== '';
    if (hasRun && (how === 'only' || (how === 'force' && after.status === 'succeeded'))) {
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
  const { step, status, first } = await pipeline.ask({ do: 'edited', cell, how, texts });
  return { step: text(step), status: text(status), first: list(first).map(text) };
}

/** Puts a cell that loads our package on top of the notebook and runs it; tells whether the kernel knows us then. */
export async function loadExtension(pipeline: Pipeline): Promise<boolean> {
  const { content, sessionContext } = pipeline.panel;
  content.model?.sharedModel.insertCell(0, { cell_type: 'code', source: '%load_ext jupyter_mlpipe' });
  const cells = content.widgets.slice(0, 1);
  if (!(await NotebookActions.runCells(content, cells, sessionContext))) {
    return false;
  }
  return new Promise(done => {
    const end = (): void => {
      clearTimeout(timer);
      pipeline.changed.disconnect(look);
      done(pipeline.isLive);
    };
    const look = (): void => {
      if (pipeline.isLive) {
        end();
      }
    };
    const timer = setTimeout(end, LOADED_MS);
    pipeline.changed.connect(look);
    look();
  });
}
