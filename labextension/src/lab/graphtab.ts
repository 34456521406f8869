/** The live graph in a tab beside the notebook. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget } from '@jupyterlab/apputils';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { Pipeline } from './pipeline';

const OPEN = new WeakMap<Pipeline, MainAreaWidget<SimplifiedOutputArea>>();

/** Opens the graph of a notebook, or shows it where it is open. What the kernel draws, it keeps up to date. */
export async function openGraph(app: JupyterFrontEnd, pipeline: Pipeline, icon: LabIcon): Promise<void> {
  const { panel } = pipeline;
  let tab = OPEN.get(pipeline);
  if (!tab || tab.isDisposed) {
    const area = new SimplifiedOutputArea({
      model: new OutputAreaModel({ trusted: true }),
      rendermime: panel.content.rendermime
    });
    area.addClass('mlp-graph-tab');
    tab = new MainAreaWidget({ content: area });
    tab.id = `mlpipe-graph-${panel.id}`;
    tab.title.icon = icon;
    tab.title.closable = true;
    OPEN.set(pipeline, tab);
    panel.disposed.connect(tab.dispose, tab);
  }
  const name = panel.title.label;
  tab.title.label = `Pipeline of ${name}`;
  tab.title.caption = `The pipeline of ${name}`;
  if (!tab.isAttached) {
    app.shell.add(tab, 'main', { mode: 'split-right', ref: panel.id });
  }
  app.shell.activateById(tab.id);
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) {
    throw new Error('The notebook has no kernel');
  }
  // Of a front end, which the cell's id says, the graph is live.
  const asked = { code: '%pipeline show', store_history: false, allow_stdin: false };
  tab.content.future = kernel.requestExecute(asked, false, { cellId: tab.id });
  await tab.content.future.done;
}
