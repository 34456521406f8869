/** What JupyterLab loads. It only adds: nothing of JupyterLab's own is replaced. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { activateCommands } from './commands';
import { activateMagic } from './magic';
import { Pipelines } from './pipeline';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlpipe:plugin',
  description: 'Shows the pipeline of a notebook: states of steps on cells, outline, runs and workers.',
  autoStart: true,
  requires: [INotebookTracker, IEditorExtensionRegistry],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    extensions: IEditorExtensionRegistry,
    palette: ICommandPalette | null
  ) => {
    const pipelines = new Pipelines(notebooks);
    activateMagic(pipelines, extensions);
    activateCommands(app, pipelines, palette);
  }
};

export default plugin;
