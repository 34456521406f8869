/** The pipeline of one notebook panel: what its kernel tells, by cell. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import { type CellFacts, type Part, type PipelineState, START } from './facts';
import { KernelLink, type Log } from './kernel';
import { isComponent } from './tokens';

export class Pipeline implements IDisposable {
  /** By the id of a cell that has our line, or that is elsewhere: the rest of one that was split is none. */
  steps: Map<string, CellFacts> = new Map();
  /** What to say of cells whose text is not the one that was run, by their ids. */
  readonly edited = new Map<string, string>();
  isDisposed = false;
  private link: KernelLink | null = null;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _logged = new Signal<this, Log>(this);

  constructor(
    readonly panel: NotebookPanel,
    private readonly linkTo: (kernel: Kernel.IKernelConnection, path: () => string) => KernelLink
  ) {
    panel.sessionContext.kernelChanged.connect(this.connect, this);
    panel.context.pathChanged.connect(this.move, this);
    panel.disposed.connect(this.dispose, this);
    // Cells that come, go and move.
    void panel.context.ready.then(() => {
      panel.content.model?.cells.changed.connect(this.update, this);
      panel.content.model?.contentChanged.connect(this.look, this);
    });
    this.connect();
  }

  get state(): PipelineState {
    return this.link?.state ?? START;
  }

  /** Whether its kernel has our package. */
  get isLive(): boolean {
    return this.link?.isLive === true;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What the step that is watched prints. */
  get logged(): ISignal<this, Log> {
    return this._logged;
  }

  named(name: string): CellFacts | undefined {
    return this.state.steps.find(step => step.name === name);
  }

  /** Asks the kernel; rejects with the kernel's words where it cannot be done. */
  async ask(asked: object): Promise<Part> {
    if (!this.link) {
      throw new Error('The notebook has no kernel');
    }
    return this.link.ask(asked);
  }

  /** Says of a cell that its text is not the one that was run; nothing where it is. */
  setEdited(cell: string, words: string): void {
    if ((this.edited.get(cell) ?? '') === words) {
      return;
    }
    if (words) {
      this.edited.set(cell, words);
    } else {
      this.edited.delete(cell);
    }
    this._changed.emit();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      this.disconnect();
      this.panel.context.pathChanged.disconnect(this.move, this);
      Signal.clearData(this);
    }
  }

  private connect(): void {
    this.disconnect();
    const kernel = this.panel.sessionContext.session?.kernel;
    if (kernel) {
      this.link = this.linkTo(kernel, () => this.panel.context.path);
      this.link.changed.connect(this.update, this);
      this.link.logged.connect(this.log, this);
    }
    this.update();
  }

  private move(): void {
    this.link?.moved();
  }

  private disconnect(): void {
    this.link?.changed.disconnect(this.update, this);
    this.link?.logged.disconnect(this.log, this);
    this.link = null;
  }

  private update(): void {
    const plain = this.plain();
    const shown = this.state.steps.filter(step => step.cell && !plain.has(step.cell));
    this.steps = new Map(shown.map(step => [step.cell, step]));
    this._changed.emit();
  }

  /** Cells that have no line of ours. */
  private plain(): Set<string> {
    const cells = this.panel.content.model?.cells ?? [];
    return new Set([...cells].filter(cell => !isComponent(cell.sharedModel.getSource())).map(({ id }) => id));
  }

  /** A line of ours came or went as somebody types. */
  private look(): void {
    const plain = this.plain();
    if (this.state.steps.some(({ cell }) => cell && this.steps.has(cell) === plain.has(cell))) {
      this.update();
    }
  }

  private log(_: unknown, log: Log): void {
    this._logged.emit(log);
  }
}

/** The pipelines of the notebooks that are open. */
export class Pipelines {
  private readonly links = new WeakMap<Kernel.IKernelConnection, KernelLink>();
  private readonly made = new Map<NotebookPanel, Pipeline>();
  private readonly _added = new Signal<this, Pipeline>(this);
  private readonly _currentChanged = new Signal<this, Pipeline | null>(this);

  constructor(private readonly notebooks: INotebookTracker) {
    notebooks.forEach(panel => this.add(panel));
    notebooks.widgetAdded.connect((_, panel) => this.add(panel));
    notebooks.currentChanged.connect(() => this._currentChanged.emit(this.current));
  }

  get all(): Pipeline[] {
    return [...this.made.values()];
  }

  get added(): ISignal<this, Pipeline> {
    return this._added;
  }

  /** That of the notebook which is looked at. */
  get current(): Pipeline | null {
    const panel = this.notebooks.currentWidget;
    return (panel && this.made.get(panel)) ?? null;
  }

  get currentChanged(): ISignal<this, Pipeline | null> {
    return this._currentChanged;
  }

  /** Does something with each pipeline, those that come later too. */
  each(use: (pipeline: Pipeline) => void): void {
    this.all.forEach(use);
    this._added.connect((_, pipeline) => use(pipeline));
  }

  private add(panel: NotebookPanel): void {
    const pipeline = new Pipeline(panel, (kernel, path) => this.linkTo(kernel, path));
    this.made.set(panel, pipeline);
    panel.disposed.connect(() => this.made.delete(panel));
    this._added.emit(pipeline);
    if (this.notebooks.currentWidget === panel) {
      this._currentChanged.emit(pipeline); // it became the current one before it was known here
    }
  }

  /** Views of a notebook share a connection, and what is heard by it. */
  private linkTo(kernel: Kernel.IKernelConnection, path: () => string): KernelLink {
    const link = this.links.get(kernel) ?? new KernelLink(kernel, path);
    this.links.set(kernel, link);
    return link;
  }
}
