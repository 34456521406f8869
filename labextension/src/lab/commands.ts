/** The commands on a cell and its step: what each is called, when it can be used, and what it does. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { text } from '../read';
import style from './commands.css';
import { edit } from './editing';
import type { CellFacts } from './facts';
import { openGraph } from './graphtab';
import { runStepIcon, stepIcon, whyIcon } from './icons';
import { consumers, narrow, producers, type Way } from './neighbours';
import type { Pipeline, Pipelines } from './pipeline';
import { loadExtension, run } from './running';
import { type Action, say, unsay } from './said';
import { addStyle } from './style';
import { isComponent } from './tokens';
import { goToCell } from './visiting';

const CATEGORY = 'Pipeline';
const SOON_MS = 700;
const RENEW_MS = 150;

/** Cells that run, or wait in the notebook's own queue: their prompt says so. */
const UNDER_WAY = new WeakSet<Cell>();

/** The cell that a command is about, and what is known of it. */
export interface Target {
  pipeline: Pipeline;
  cell: Cell;
  text: string;
  /** Of its step, once it has run. */
  step: CellFacts | undefined;
}

interface Command {
  id: string;
  label: string;
  caption: string;
  icon?: LabIcon;
  /** Whether it makes sense for a cell. */
  can(target: Target): boolean;
  /** Returns what to say below the cell, "" for nothing. */
  act(target: Target): Promise<string | Answer>;
}

interface Answer {
  text: string;
  actions: Action[];
}

const isStep = ({ pipeline, step, text }: Target): boolean =>
  pipeline.isLive && (step !== undefined || isComponent(text));
const isKnown = ({ step }: Target): boolean => step !== undefined;

function commandsOf(app: JupyterFrontEnd): Command[] {
  const again = (id: string, label: string, title: string): Action => ({
    label,
    title,
    press: () => void app.commands.execute(id)
  });
  return [
    {
      id: 'mlpipe:run-step',
      label: 'Run Step',
      caption: 'Run this step; what it reads must be there or be reused',
      icon: runStepIcon,
      can: isStep,
      act: ({ pipeline, cell }) => run(pipeline, cell, 'only')
    },
    {
      id: 'mlpipe:run-to',
      label: 'Run to Here',
      caption: 'Run this step and what is stale above it',
      can: isStep,
      act: ({ pipeline, cell }) => run(pipeline, cell, 'to')
    },
    {
      id: 'mlpipe:run-from',
      label: 'Run from Here',
      caption: 'Run this step and all that reads from it',
      can: isStep,
      act: ({ pipeline, cell }) => run(pipeline, cell, 'from')
    },
    {
      id: 'mlpipe:force',
      label: 'Force Step',
      caption: 'Run this step though it could be reused',
      can: isStep,
      act: ({ pipeline, cell }) => run(pipeline, cell, 'force')
    },
    {
      id: 'mlpipe:why',
      label: 'Why?',
      caption: 'Why this step ran, and whether it would run now',
      icon: whyIcon,
      can: isKnown,
      act: async ({ pipeline, cell }) => text((await pipeline.ask({ do: 'why', cell: cell.model.id })).text)
    },
    {
      id: 'mlpipe:accept',
      label: 'Accept Edit as Unchanged',
      caption: 'Let the kept result of this step count for its edited code',
      can: isKnown,
      act: async ({ pipeline, cell, text: source }) => {
        const answer = await pipeline.ask({ do: 'accept', cell: cell.model.id, text: source });
        const back = again('mlpipe:revoke', 'Take back', 'The edit counts as a change again');
        return { text: text(answer.text), actions: [back] };
      }
    },
    {
      id: 'mlpipe:revoke',
      label: 'Take Back Accepted Edit',
      caption: 'Let the edit count as a change again',
      can: ({ step }) => step?.accepted === true,
      act: async ({ pipeline, cell }) => text((await pipeline.ask({ do: 'revoke', cell: cell.model.id })).text)
    },
    {
      id: 'mlpipe:go-to-producer',
      label: 'Go to Producer',
      caption: 'Go to the cell that makes what this one reads; with the cursor on a name, that name',
      can: ({ pipeline, cell, text }) => producers(pipeline.state.steps, cell.model.id, text).length > 0,
      act: target => {
        const found = producers(target.pipeline.state.steps, target.cell.model.id, target.text);
        return go(target, narrow(found, wordAtCursor(target.cell)), way => `${way.names.join(', ')} from ${way.step}`);
      }
    },
    {
      id: 'mlpipe:go-to-consumers',
      label: 'Go to Consumers',
      caption: 'Go to a cell that reads what this one makes',
      can: ({ pipeline, cell }) => consumers(pipeline.state.steps, cell.model.id).length > 0,
      act: target => {
        const found = consumers(target.pipeline.state.steps, target.cell.model.id);
        return go(target, narrow(found, wordAtCursor(target.cell)), way => `${way.step} reads ${way.names.join(', ')}`);
      }
    },
    {
      id: 'mlpipe:to-component',
      label: 'Turn Cell into Component',
      caption: 'Put %%component with a name on top of the cell',
      icon: stepIcon,
      can: ({ cell, text }) => cell.model.type === 'code' && text.trim() !== '' && !isComponent(text),
      act: ({ pipeline, cell }) => edit(pipeline, cell, 'component')
    },
    {
      id: 'mlpipe:to-plain',
      label: 'Turn Component into Plain Cell',
      caption: 'Take the %%component line out; all else stays',
      can: ({ text }) => isComponent(text),
      act: ({ pipeline, cell }) => edit(pipeline, cell, 'plain')
    },
    {
      id: 'mlpipe:lock',
      label: 'Lock Signature into Header',
      caption: 'Write what the component reads and writes into its header, where it is checked from then on',
      can: ({ pipeline, text }) => pipeline.isLive && isComponent(text),
      act: ({ pipeline, cell }) => edit(pipeline, cell, 'lock')
    },
    {
      id: 'mlpipe:open-graph',
      label: 'Open Graph',
      caption: 'Open the live graph of the pipeline beside the notebook',
      icon: stepIcon,
      can: ({ pipeline }) => pipeline.state.steps.length > 0,
      act: ({ pipeline }) => openGraph(app, pipeline, stepIcon).then(() => '')
    }
  ];
}

export function activateCommands(app: JupyterFrontEnd, pipelines: Pipelines, palette: ICommandPalette | null): void {
  addStyle('mlpipe-commands-style', style);

  const target = (args: ReadonlyPartialJSONObject): Target | null => {
    const pipeline = pipelines.current;
    const { activeCell, widgets } = pipeline?.panel.content ?? { activeCell: null, widgets: [] };
    // A click with the right button in a cell's text does not make it the active one.
    const hit = args.context === true ? app.contextMenuHitTest(node => node.classList.contains('jp-Cell')) : undefined;
    const cell = widgets.find(widget => widget.node === hit) ?? activeCell;
    if (!pipeline || !cell) {
      return null;
    }
    const step = pipeline.of(cell.model.id);
    return { pipeline, cell, text: cell.model.sharedModel.getSource(), step };
  };

  const commands = commandsOf(app);
  for (const { id, label, caption, icon, can, act } of commands) {
    app.commands.addCommand(id, {
      label,
      caption,
      ...(icon ? { icon } : {}),
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: args => {
        const found = target(args);
        return found !== null && can(found);
      },
      // In the toolbar of a cell there is room for what can be used only.
      isVisible: args => {
        const found = target(args);
        return args.toolbar !== true || (found !== null && can(found) && found.pipeline.isLive);
      },
      execute: async args => {
        const found = target(args);
        if (found && can(found)) {
          await perform(found, act);
        }
      }
    });
    palette?.addItem({ command: id, category: CATEGORY });
  }

  // What was said of a cell is past once it runs.
  NotebookActions.executionScheduled.connect((_, { cell }) => {
    unsay(cell);
    UNDER_WAY.add(cell);
  });
  NotebookActions.executed.connect((_, { cell }) => UNDER_WAY.delete(cell));
  // Menus, palette and toolbars look again: not at each key.
  let timer: ReturnType<typeof setTimeout> | null = null;
  const renew = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      commands.forEach(({ id }) => app.commands.notifyCommandChanged(id));
    }, RENEW_MS);
  };
  pipelines.currentChanged.connect(renew);
  pipelines.each(pipeline => {
    const { content } = pipeline.panel;
    pipeline.changed.connect(() => {
      // What is said in style sheets and menus to be for notebooks with a pipeline goes by this.
      content.toggleClass('mlp-live', pipeline.isLive);
      renew();
    });
    content.activeCellChanged.connect(renew);
    content.modelContentChanged.connect(renew);
  });
}

/** Does it, and says below the cell what came of it. */
async function perform(target: Target, act: Command['act']): Promise<void> {
  const { cell, pipeline } = target;
  unsay(cell);
  if (!pipeline.isLive) {
    const load: Action = {
      label: 'Load it',
      title: 'Put a cell with %load_ext jupyter_mlpipe on top, run it, and go on',
      press: () => void loadExtension(pipeline).then(isLive => (isLive ? perform(target, act) : undefined))
    };
    say(cell, 'The kernel does not know jupyter_mlpipe yet: %load_ext jupyter_mlpipe in a cell above loads it.', 'failed', [load]);
    return;
  }
  const soon = setTimeout(() => UNDER_WAY.has(cell) || say(cell, 'Starts when the kernel is free'), SOON_MS);
  try {
    const answer = await act(target);
    clearTimeout(soon);
    const { text, actions } = typeof answer === 'string' ? { text: answer, actions: [] } : answer;
    say(cell, text, 'told', actions);
  } catch (error) {
    clearTimeout(soon);
    say(cell, error instanceof Error ? error.message : String(error), 'failed');
  }
}

function wordAtCursor(cell: Cell): string {
  const { editor } = cell;
  const { mode } = cell.parent && 'mode' in cell.parent ? (cell.parent as { mode: unknown }) : { mode: '' };
  if (!editor || mode !== 'edit') {
    return '';
  }
  const { line, column } = editor.getCursorPosition();
  const text = editor.getLine(line) ?? '';
  const before = /[\w]*$/u.exec(text.slice(0, column))?.[0] ?? '';
  return before + (/^[\w]*/u.exec(text.slice(column))?.[0] ?? '');
}

/** Goes along the way; where there are several, the one that is chosen. */
async function go({ pipeline }: Target, ways: Way[], describe: (way: Way) => string): Promise<string> {
  let way = ways[0];
  if (ways.length > 1) {
    const items = ways.map(describe);
    const { value } = await InputDialog.getItem({ title: 'Go to', items, okLabel: 'Go' });
    way = ways[items.indexOf(value ?? '')];
  }
  if (way && !goToCell(pipeline, way.cell)) {
    throw new Error(`The cell of '${way.step}' is not in the notebook any more`);
  }
  return '';
}
