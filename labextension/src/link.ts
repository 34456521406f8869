/** The browser's end of the link: what the kernel sends, and two ways to ask it. */

import { parse, type Ask, type Message } from './protocol';

const TARGET = 'jupyter-mlpipe';
const SUBSHELL_MS = 3000;

interface Comm {
  open(content: object): { done: Promise<unknown> };
  send(content: object): unknown;
  close(): unknown;
  subshellStarted?: Promise<unknown>;
}

/** What anywidget gives; in JupyterLab and Notebook its manager knows the kernel. */
export interface Model {
  get(name: string): unknown;
  on(event: string, hear: (content: unknown) => void): void;
  off(event: string, hear?: (content: unknown) => void): void;
  send(content: object): void;
  widget_manager?: { kernel?: { createComm?(target: string): Comm } | null };
}

export class Link {
  #quick: Comm | null = null;
  #isClosed = false;
  readonly #hear: (content: unknown) => void;

  constructor(
    private readonly model: Model,
    take: (message: Message) => void
  ) {
    this.#hear = content => {
      const message = parse(content);
      if (message) {
        take(message);
      }
    };
    model.on('msg:custom', this.#hear);
  }

  /**
   * Opens a comm of our own. By one that the browser opens, and on which the kernel never sends,
   * JupyterLab reaches the kernel while it is busy; the widget's own is heard when it is free.
   */
  async open(): Promise<void> {
    try {
      const comm = this.model.widget_manager?.kernel?.createComm?.(TARGET);
      if (comm) {
        // First its subshell: what opens it waits for a busy kernel otherwise. There may never be one.
        await Promise.race([comm.subshellStarted, new Promise(done => setTimeout(done, SUBSHELL_MS))]);
        await comm.open({}).done;
        if (this.#isClosed) {
          comm.close();
        } else {
          this.#quick = comm;
        }
      }
    } catch (error) {
      console.warn('jupyter-mlpipe: the kernel can be asked only while it is free', error);
    }
  }

  ask(asked: Ask): void {
    if (this.#quick) {
      this.#quick.send(asked);
    } else {
      this.model.send(asked);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.model.off('msg:custom', this.#hear);
    try {
      this.#quick?.close();
    } catch {
      // The kernel is gone, and its end with it.
    }
    this.#quick = null;
  }
}
