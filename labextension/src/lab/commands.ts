/** The commands on a cell and its step: what each is called, when it can be used, and what it does. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import { type Cell, isCodeCellModel } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { text } from '../read';
import style from './commands.css';
import { edit } from './editing';
import { openGraph } from './graphtab';
import { runStepIcon, stepIcon, whyIcon } from './icons';
import { wordsOf } from './kernel';
import { consumers, narrow, producers, type Way, wordAt } from './neighbours';
import type { Pipeline, Pipelines } from './pipeline';
import { loadExtension, run } from './running';
import { type Action, say, unsay } from './said';
import type { OpenStep } from './steppanel';
import { addStyle } from './style';
import {
  canBeLocked,
  hasConsumers,
  hasHeader,
  hasProducers,
  hasSteps,
  isAccepted,
  isKnown,
  isPlain,
  isStep,
  type Place
} from './usable';
import { goToCell } from './visiting';

const CATEGORY = 'Pipeline';
const SOON_MS = 700;
const RENEW_MS = 150;

/** The cell that a command is about, and what is known of it. */
interface Target extends Place {
  pipeline: Pipeline;
  cell: Cell;
}

interface Command {
  id: string;
  label: string;
  caption: string;
  icon?: LabIcon;
  /** Whether it makes sense for a cell. */
  can(place: Place): boolean;
  /** Returns what to say below the cell, "" for nothing. */
  act(target: Target): Promise<string | Answer>;
}

interface Answer {
  text: string;
  actions: Action[];
}

async function revoke({ pipeline, id }: Target): Promise<string> {
  return text((await pipeline.ask({ do: 'revoke', cell: id })).text);
}

function commandsOf(app: JupyterFrontEnd, openStep: OpenStep): Command[] {
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
      act: async ({ pipeline, id }) => text((await pipeline.ask({ do: 'why', cell: id })).text)
    },
    {
      id: 'mlpipe:accept',
      label: 'Accept Edit as Unchanged',
      caption: 'Let the kept result of this step count for its edited code',
      can: isKnown,
      act: async target => {
        const { pipeline, id, text: source } = target;
        const answer = await pipeline.ask({ do: 'accept', cell: id, text: source });
        const press = (): void => void perform(target, revoke);
        const back = { label: 'Take back', title: 'The edit counts as a change again', press };
        return { text: text(answer.text), actions: [back] };
      }
    },
    {
      id: 'mlpipe:revoke',
      label: 'Take Back Accepted Edit',
      caption: 'Let the edit count as a change again',
      can: isAccepted,
      act: revoke
    },
    {
      id: 'mlpipe:go-to-producer',
      label: 'Go to Producer',
      caption: 'Go to the cell that makes what this one reads; with the cursor on a name, that name',
      can: hasProducers,
      act: target => {
        const found = producers(target.steps, target.id, target.text);
        return go(target, narrow(found, wordAtCursor(target)), way => `${way.names.join(', ')} from ${way.step}`);
      }
    },
    {
      id: 'mlpipe:go-to-consumers',
      label: 'Go to Consumers',
      caption: 'Go to a cell that reads what this one makes',
      can: hasConsumers,
      act: target => {
        const found = consumers(target.steps, target.id);
        return go(target, narrow(found, wordAtCursor(target)), way => `${way.step} reads ${way.names.join(', ')}`);
      }
    },
    {
      id: 'mlpipe:to-component',
      label: 'Turn Cell into Component',
      caption: 'Put %%component with a name on top of the cell',
      icon: stepIcon,
      can: isPlain,
      act: ({ pipeline, cell }) => edit(pipeline, cell, 'component')
    },
    {
      id: 'mlpipe:to-plain',
      label: 'Turn Component into Plain Cell',
      caption: 'Take the %%component line out; all else stays',
      can: hasHeader,
      act: ({ pipeline, cell }) => edit(pipeline, cell, 'plain')
    },
    {
      id: 'mlpipe:lock',
      label: 'Lock Signature into Header',
      caption: 'Write what the component reads and writes into its header, where it is checked from then on',
      can: canBeLocked,
      act: ({ pipeline, cell }) => edit(pipeline, cell, 'lock')
    },
    {
      id: 'mlpipe:show-step',
      label: 'Show Step',
      caption: 'Show all of this cell’s step in the side area',
      icon: stepIcon,
      can: isKnown,
      act: async ({ pipeline, step }) => {
        const { node } = pipeline.panel.content;
        node.focus(); // which gets the keyboard back
        openStep(pipeline, step?.name ?? '', node);
        return '';
      }
    },
    {
      id: 'mlpipe:open-graph',
      label: 'Open Graph',
      caption: 'Open the live graph of the pipeline beside the notebook',
      icon: stepIcon,
      can: hasSteps,
      act: ({ pipeline }) => openGraph(app, pipeline, stepIcon).then(() => '')
    }
  ];
}

export function activateCommands(
  app: JupyterFrontEnd,
  pipelines: Pipelines,
  palette: ICommandPalette | null,
  openStep: OpenStep
): void {
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
    const { id, type, sharedModel } = cell.model;
    const { isLive, state, steps } = pipeline;
    const isCode = type === 'code';
    const step = isCode ? steps.get(id) : undefined;
    return { pipeline, cell, isLive, steps: state.steps, id, isCode, text: sharedModel.getSource(), step };
  };

  const commands = commandsOf(app, openStep);
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
        return args.toolbar !== true || (found !== null && can(found) && found.isLive);
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
  NotebookActions.executionScheduled.connect((_, { cell }) => unsay(cell));
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
    const show = (): void => {
      // What is said in style sheets and menus to be for notebooks with a pipeline goes by this.
      content.toggleClass('mlp-live', pipeline.isLive);
      renew();
    };
    pipeline.changed.connect(show);
    show(); // another view of a notebook may be live at once
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
      press: () =>
        void loadExtension(pipeline)
          .then(isLive => (isLive ? perform(target, act) : undefined))
          .catch((error: unknown) => fail(cell, error))
    };
    say(cell, 'The kernel does not know jupyter_mlpipe yet: %load_ext jupyter_mlpipe in a cell above loads it.', 'failed', [load]);
    return;
  }
  const soon = setTimeout(() => isUnderWay(cell) || say(cell, 'Starts when the kernel is free'), SOON_MS);
  try {
    const answer = await act(target);
    const { text, actions } = typeof answer === 'string' ? { text: answer, actions: [] } : answer;
    say(cell, text, 'told', actions);
  } catch (error) {
    fail(cell, error);
  } finally {
    clearTimeout(soon);
  }
}

function fail(cell: Cell, error: unknown): void {
  say(cell, wordsOf(error), 'failed');
}

/** Tells whether a cell runs, or waits in the notebook's own queue: its prompt says so. */
function isUnderWay({ model }: Cell): boolean {
  return isCodeCellModel(model) && model.executionState === 'running';
}

function wordAtCursor({ pipeline, cell: { editor } }: Target): string {
  if (!editor || pipeline.panel.content.mode !== 'edit') {
    return '';
  }
  const { line, column } = editor.getCursorPosition();
  return wordAt(editor.getLine(line) ?? '', column);
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
