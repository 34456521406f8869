/** What JupyterLab loads. It only adds: nothing of JupyterLab's own is replaced. */

import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import graphStyle from '../style.css';
import { activateBadges } from './badges';
import { activateCommands } from './commands';
import { activateMagic } from './magic';
import style from './lab.css';
import { Pipelines } from './pipeline';
import { activateSidebar } from './sidebar';
import { activateStepPanel } from './steppanel';
import { addStyle } from './style';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-mlpipe:plugin',
  description: 'Shows the pipeline of a notebook: states of steps on cells, outline, runs and workers.',
  autoStart: true,
  requires: [INotebookTracker, IEditorExtensionRegistry],
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    extensions: IEditorExtensionRegistry,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    addStyle('mlpipe-style', graphStyle); // of the step's panel; the graph's module puts in the same
    addStyle('mlpipe-lab-style', style);
    const pipelines = new Pipelines(notebooks);
    const openStep = activateStepPanel(app);
    activateBadges(pipelines, openStep);
    activateSidebar(app, pipelines, palette, restorer);
    activateMagic(pipelines, extensions);
    activateCommands(app, pipelines, palette, openStep);
  }
};

export default plugin;
