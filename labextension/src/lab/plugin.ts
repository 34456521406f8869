/** What JupyterLab loads. It only adds: nothing of JupyterLab's own is replaced. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { Pipelines } from './pipeline';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlpipe:plugin',
  description: 'Shows the pipeline of a notebook: states of steps on cells, outline, runs and workers.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker) => {
    const pipelines = new Pipelines(notebooks);
    void [app, pipelines];
  }
};

export default plugin;
