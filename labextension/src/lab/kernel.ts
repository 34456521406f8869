/**
 * The way to one kernel: what it tells of its pipeline, and what it is asked.
 *
 * The kernel tells by a comm of a known id, whose messages are heard by whoever is connected: so a page that is
 * loaded again goes on hearing them, and so do two notebooks on one kernel. A kernel without our package is never
 * spoken to. It is asked by another comm, see `quick.ts`.
 */

import { type Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import { apply, isPart, type Part, parseState, type PipelineState, START } from './facts';
import { forget, isKnown, Quick } from './quick';

const STATE = 'jupyter-mlpipe-state';
const GONE = 'The kernel is gone';
const ENDS: Kernel.Status[] = ['restarting', 'autorestarting', 'starting', 'dead'];

interface Waiting {
  resolve(answer: Part): void;
  reject(error: Error): void;
}

export interface Log {
  step: string;
  text: string;
}

/** Returns what to say of an ask that was rejected. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export class KernelLink implements IDisposable {
  state: PipelineState = START;
  isDisposed = false;
  private n = -1;
  private nAsked = 0;
  private isLookedAt = false;
  /** Of the process that tells, and of the one before it: that one may have messages on their way. */
  private process = '';
  private gone = '';
  private quick: Promise<Quick> | null = null;
  private readonly waiting = new Map<string, Waiting>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _logged = new Signal<this, Log>(this);

  /** `path` gives that of the notebook which speaks to the kernel by this connection. */
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly path: () => string
  ) {
    kernel.iopubMessage.connect(this.onMessage, this);
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.connectionStatusChanged.connect(this.onConnection, this);
    kernel.disposed.connect(this.dispose, this);
    void this.look();
  }

  /** Whether the kernel has our package, and has told of it. */
  get isLive(): boolean {
    return this.n >= 0;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What the step that is watched prints. */
  get logged(): ISignal<this, Log> {
    return this._logged;
  }

  /** Asks the kernel; `asked.do` says what. Its answer may be an error, which says what to do next. */
  async ask(asked: object): Promise<Part> {
    if (!this.isLive) {
      // Not even spoken to: a kernel without our package complains of a comm that it does not know.
      throw new Error('The kernel does not know jupyter_mlpipe yet: run %load_ext jupyter_mlpipe in a cell first.');
    }
    return this.send(asked);
  }

  /** The notebook has another path. */
  moved(): void {
    if (this.isLive) {
      this.greet();
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      this.forget();
      Signal.clearData(this);
    }
  }

  private async send(asked: object): Promise<Part> {
    const opened = (this.quick ??= Quick.open(this.kernel));
    let quick: Quick;
    try {
      quick = await opened;
    } catch (error) {
      this.quick = this.quick === opened ? null : this.quick;
      throw error;
    }
    if (this.quick !== opened) {
      throw new Error(GONE); // while it was opened
    }
    // All pages hear all answers.
    const id = `${this.kernel.clientId}-${++this.nAsked}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      quick.send({ ...asked, cells: true, id, client: this.kernel.clientId });
    });
  }

  /** Finds out whether the kernel has our package since before this page was there. */
  private async look(): Promise<void> {
    if (this.isLookedAt || this.isDisposed) {
      return;
    }
    this.isLookedAt = true;
    try {
      if ((await isKnown(this.kernel)) || (await this.hasComm())) {
        this.greet();
      }
    } catch {
      // It has gone meanwhile.
    }
  }

  private async hasComm(): Promise<boolean> {
    const { content } = await this.kernel.requestCommInfo({ target_name: STATE });
    return content.status === 'ok' && STATE in content.comms;
  }

  /** Asks for all that there is to tell. */
  private greet(): void {
    if (!this.isDisposed) {
      this.send({ do: 'hello', path: this.path() }).catch(() => undefined);
    }
  }

  private onMessage(_: unknown, message: KernelMessage.IIOPubMessage): void {
    const isTold = KernelMessage.isCommMsgMsg(message);
    if (!(isTold || KernelMessage.isCommCloseMsg(message)) || message.content.comm_id !== STATE) {
      return;
    }
    const { session } = message.header;
    if (session === this.gone) {
      return;
    }
    this.process = session;
    if (isTold) {
      this.take(message.content.data);
    } else {
      // Our package was taken out of the kernel; when it is loaded again, the kernel says so.
      forget(this.kernel.id);
      this.forget();
    }
  }

  private take(content: unknown): void {
    if (!isPart(content)) {
      return;
    }
    if (typeof content.answer === 'string') {
      const waiting = this.waiting.get(content.answer);
      this.waiting.delete(content.answer);
      if (typeof content.error === 'string') {
        waiting?.reject(new Error(content.error));
      } else {
        waiting?.resolve(content);
      }
    }
    if (typeof content.step === 'string' && typeof content.log === 'string') {
      this._logged.emit({ step: content.step, text: content.log });
    }
    if (typeof content.n === 'number' && isPart(content.all)) {
      this.n = content.n;
      this.quick?.then(quick => quick.keep()).catch(() => undefined);
      this.become(parseState(content.all, this.kernel.clientId));
    } else if (typeof content.n === 'number' && isPart(content.changed) && content.n === this.n + 1) {
      this.n = content.n;
      this.become(apply(this.state, content.changed, this.kernel.clientId));
    } else if (content.here || (this.isLive && typeof content.n === 'number' && content.n !== this.n)) {
      // It has just loaded our extension, or something was missed.
      this.greet();
    }
  }

  private become(state: PipelineState): void {
    this.state = state;
    this._changed.emit();
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (ENDS.includes(status)) {
      forget(this.kernel.id);
      this.gone = this.process || this.gone;
      this.process = '';
      this.isLookedAt = false;
      this.forget();
    } else if (status === 'idle' || status === 'busy') {
      void this.look();
    }
  }

  private onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected' && this.isLive) {
      this.greet(); // what it told meanwhile was missed
    }
  }

  /** Forgets what a kernel has told that is no more. */
  private forget(): void {
    const wasLive = this.isLive;
    this.quick = null;
    this.n = -1;
    for (const { reject } of this.waiting.values()) {
      reject(new Error(GONE));
    }
    this.waiting.clear();
    if (wasLive) {
      this.become(START);
    }
  }
}
