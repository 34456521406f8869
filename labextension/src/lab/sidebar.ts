/** The pipeline in JupyterLab's left area: outline, what would run, latest runs, workers with what is in use. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { button, element } from '../dom';
import { paintRun } from '../paint';
import { isPart, list, type Part, text } from '../read';
import type { CellFacts } from './facts';
import { stepIcon } from './icons';
import { wordsOf } from './kernel';
import { Outline } from './outline';
import type { Pipeline, Pipelines } from './pipeline';
import { goToCell } from './visiting';

const PAUSE_MS = 1000;
const NONE = 'No pipeline here yet. Run %load_ext jupyter_mlpipe in a cell, then put %%component NAME on top of another.';

class Sidebar extends Widget {
  private readonly none = element('p', { class: 'mlp-side-none' }, NONE);
  private readonly whole = element('div', { class: 'mlp-side-whole' });
  private readonly run = element('div', { class: 'mlp-side-run' });
  private readonly said = element('div', { class: 'mlp-side-said', role: 'status' });
  private readonly runStale = button('Run', 'Run all steps that hold no more or were never run', () =>
    this.ask({ do: 'run', how: 'stale' })
  );
  private readonly stop = button('Stop', 'Stop what runs', () => this.ask({ do: 'stop' }));
  private readonly outline = new Outline(facts => this.go(facts));
  private readonly runs = element('div', { class: 'mlp-side-runs' });
  private readonly workers = element('div', { class: 'mlp-side-workers' });
  private pipeline: Pipeline | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly pipelines: Pipelines) {
    super({ node: element('section', { class: 'mlp-side', 'aria-label': 'Pipeline' }) });
    this.id = 'mlpipe-pipeline';
    this.title.icon = stepIcon;
    this.title.caption = 'Pipeline';
    const acts = element('div', { class: 'mlp-side-acts' }, this.runStale, this.stop);
    this.whole.append(
      this.run,
      acts,
      this.said,
      section('Steps', this.outline.node),
      section('Runs', this.runs),
      section('Workers', this.workers)
    );
    this.node.append(element('h2', {}, 'Pipeline'), this.none, this.whole);
    pipelines.currentChanged.connect(this.follow, this);
    this.follow();
  }

  override dispose(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
    }
    this.pipelines.currentChanged.disconnect(this.follow, this);
    this.pipeline?.changed.disconnect(this.renew, this);
    super.dispose();
  }

  protected override onActivateRequest(_: Message): void {
    this.node.querySelector<HTMLElement>('button:not(:disabled, [hidden])')?.focus();
  }

  protected override onAfterShow(_: Message): void {
    this.renew();
  }

  /** Shows the notebook that is looked at. */
  private follow(): void {
    const { current } = this.pipelines;
    if (current !== this.pipeline) {
      this.pipeline?.changed.disconnect(this.renew, this);
      this.pipeline = current;
      this.outline.clear();
      this.runs.replaceChildren();
      this.workers.replaceChildren();
      this.said.textContent = '';
      current?.changed.connect(this.renew, this);
    }
    this.renew();
  }

  private renew(): void {
    if (!this.isVisible) {
      return;
    }
    const { pipeline } = this;
    const isThere = pipeline?.isLive === true && pipeline.state.steps.length > 0;
    this.none.hidden = isThere;
    this.whole.hidden = !isThere;
    if (!pipeline || !isThere) {
      return;
    }
    const { run, stale } = pipeline.state;
    const isRunning = run.status === 'running';
    const hadFocus = [this.runStale, this.stop].some(each => each === document.activeElement);
    paintRun(this.run, run);
    this.runStale.textContent = stale.n ? stale.text : 'Nothing is stale';
    this.runStale.disabled = stale.n === 0;
    this.runStale.classList.toggle('mlp-side-first', stale.n > 0);
    this.runStale.hidden = isRunning;
    this.stop.hidden = !isRunning;
    this.outline.paint(pipeline);
    if (hadFocus) {
      // What is hidden or disabled would lose the keyboard.
      (isRunning ? this.stop : stale.n ? this.runStale : this.outline).focus();
    }
    // What is asked for: not with each change of a run.
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.look();
    }, this.runs.childElementCount ? PAUSE_MS : 0);
  }

  private async look(): Promise<void> {
    const { pipeline } = this;
    if (!pipeline?.isLive || !this.isVisible) {
      return;
    }
    try {
      const [runs, workers] = await Promise.all([pipeline.ask({ do: 'runs' }), pipeline.ask({ do: 'workers' })]);
      if (pipeline === this.pipeline) {
        this.runs.replaceChildren(runsTable(runs));
        this.workers.replaceChildren(...workerRows(workers));
      }
    } catch (error) {
      this.runs.replaceChildren(element('p', { class: 'mlp-side-faint' }, wordsOf(error)));
    }
  }

  private ask(asked: object): void {
    this.said.textContent = '';
    const waits = setTimeout(() => (this.said.textContent = 'Starts when the kernel is free'), 400);
    this.pipeline
      ?.ask(asked)
      .then(() => (this.said.textContent = ''))
      .catch((error: unknown) => (this.said.textContent = wordsOf(error)))
      .finally(() => clearTimeout(waits));
  }

  private go({ name, cell }: CellFacts): void {
    if (!this.pipeline || !goToCell(this.pipeline, cell)) {
      this.said.textContent = `${name} has no cell in this notebook`;
    }
  }
}

function section(title: string, body: HTMLElement): HTMLElement {
  const made = element('details', {}, element('summary', {}, title), body);
  made.open = true;
  return made;
}

const SIGNS: Record<string, string> = { succeeded: '✓', running: '▶', failed: '✗', cancelled: '■' };

/** The latest runs: what each was to make, how it ended, what it took. */
function runsTable({ columns, rows }: Part): HTMLElement {
  const at = list(columns).map(text);
  const made = element('table', { class: 'mlp-side-table', 'aria-label': 'Latest runs' });
  for (const row of list(rows)) {
    const cell = (column: string): string => text(list(row)[at.indexOf(column)]);
    const status = element('td', { class: 'mlp-side-sign', title: cell('status') }, SIGNS[cell('status')] ?? '·');
    status.append(element('span', { class: 'mlp-hidden' }, cell('status')));
    const began = element('td', { class: 'mlp-side-faint', title: cell('began') }, cell('began').slice(11, 16));
    const what = element('td', { class: 'mlp-side-what', title: cell('what') }, cell('what'));
    const line = element('tr', { 'data-mlpipe-run': cell('status') }, status, began, what);
    line.append(element('td', { class: 'mlp-side-number' }, cell('took')));
    made.append(line);
  }
  return made.childElementCount ? made : element('p', { class: 'mlp-side-faint' }, 'No runs yet');
}

/** Each worker with the share of it that is in use, and what waits for one. */
function workerRows({ workers, waiting }: Part): HTMLElement[] {
  const rows = list(workers).map(worker => {
    const { name, pools, offers, used, share } = isPart(worker) ? worker : {};
    const part = typeof share === 'number' ? share : 0;
    const bar = element('div', { class: 'mlp-side-share', 'aria-hidden': 'true' }, element('span'));
    (bar.firstChild as HTMLElement).style.width = `${part * 100}%`;
    const head = element('div', { class: 'mlp-side-worker' }, element('span', {}, text(name)));
    head.append(element('span', { class: 'mlp-side-faint' }, [text(pools), text(offers)].filter(Boolean).join(' · ')));
    return element('div', { title: text(offers) }, head, bar, element('div', {}, text(used) || 'free'));
  });
  const waits = list(waiting).map(each => {
    const { steps, why } = isPart(each) ? each : {};
    return element('div', { class: 'mlp-side-faint' }, `${text(steps)} waits: ${text(why)}`);
  });
  const all = [...rows, ...waits];
  return all.length ? all : [element('p', { class: 'mlp-side-faint' }, 'They start when a step has to run')];
}

export function activateSidebar(
  app: JupyterFrontEnd,
  pipelines: Pipelines,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null
): void {
  const sidebar = new Sidebar(pipelines);
  app.shell.add(sidebar, 'left', { rank: 450 });
  restorer?.add(sidebar, sidebar.id);
  const command = 'mlpipe:show-pipeline';
  app.commands.addCommand(command, {
    label: 'Show Pipeline',
    caption: 'Show steps, runs and workers in the side area',
    icon: stepIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => app.shell.activateById(sidebar.id)
  });
  palette?.addItem({ command, category: 'Pipeline' });
}
