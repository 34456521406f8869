/**
 * The way to one kernel: what it tells of its pipeline, and what it is asked.
 *
 * The kernel tells by a comm of a known id. A page that is loaded again goes on hearing it at once, and a
 * kernel without our package is never spoken to. It is asked by another one, see `quick.ts`.
 */

import type { Kernel } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import { apply, isPart, type Part, parseState, type PipelineState, START } from './facts';
import { forget, knownSubshell, Quick } from './quick';

const STATE = 'jupyter-mlpipe-state';

interface Waiting {
  resolve(answer: Part): void;
  reject(error: Error): void;
}

export interface Log {
  step: string;
  text: string;
}

export class KernelLink implements IDisposable {
  state: PipelineState = START;
  isDisposed = false;
  private n = -1;
  private nAsked = 0;
  private told: Kernel.IComm | null = null;
  private quick: Promise<Quick> | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private readonly _changed = new Signal<this, void>(this);
  private readonly _logged = new Signal<this, Log>(this);

  constructor(readonly kernel: Kernel.IKernelConnection) {
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.connectionStatusChanged.connect(this.onConnection, this);
    kernel.disposed.connect(this.dispose, this);
    this.listen();
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
    const quick = await (this.quick ??= Quick.open(this.kernel));
    const id = ++this.nAsked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      quick.send({ ...asked, cells: true, id });
    });
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      this.forget();
      Signal.clearData(this);
    }
  }

  /** Hears the kernel. What it has told before is asked for when it is known to be one of ours. */
  private listen(): void {
    if (this.isDisposed || this.kernel.hasComm(STATE) || !this.kernel.handleComms) {
      return;
    }
    this.told = this.kernel.createComm(STATE, STATE);
    this.told.onMsg = message => this.take(message.content.data);
    this.told.onClose = () => {
      // Our package was taken out of the kernel; it may be loaded again.
      forget(this.kernel.id);
      this.forget();
      this.listen();
    };
    if (knownSubshell(this.kernel.id) !== null) {
      this.greet();
      return;
    }
    this.kernel
      .requestCommInfo({ target_name: STATE })
      .then(({ content }) => {
        if (content.status === 'ok' && STATE in content.comms) {
          this.greet();
        }
      })
      .catch(() => undefined); // the kernel is gone
  }

  private greet(): void {
    if (!this.isDisposed) {
      this.ask({ do: 'hello' }).catch(() => undefined);
    }
  }

  private take(content: unknown): void {
    if (!isPart(content)) {
      return;
    }
    if (typeof content.answer === 'number') {
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
      void this.quick?.then(quick => quick.keep());
      this.become(parseState(content.all));
    } else if (typeof content.n === 'number' && isPart(content.changed) && content.n === this.n + 1) {
      this.n = content.n;
      this.become(apply(this.state, content.changed));
    } else if (content.here || (typeof content.n === 'number' && content.n !== this.n)) {
      // It has just loaded our extension, or something was missed.
      this.greet();
    }
  }

  private become(state: PipelineState): void {
    this.state = state;
    this._changed.emit();
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      forget(this.kernel.id);
      this.forget();
    } else if (status === 'idle' || status === 'busy') {
      this.listen();
    }
  }

  private onConnection(_: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected' && this.n >= 0) {
      this.greet(); // what it told meanwhile was missed
    }
  }

  /** Forgets what a kernel has told that is no more. */
  private forget(): void {
    this.told?.dispose();
    this.told = null;
    this.quick = null;
    for (const { reject } of this.waiting.values()) {
      reject(new Error('The kernel is gone'));
    }
    this.waiting.clear();
    this.n = -1;
    this.become(START);
  }
}
