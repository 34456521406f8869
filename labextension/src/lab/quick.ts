/**
 * The way by which a kernel is asked: a comm on a subshell of its own, on which the kernel never sends, so that it
 * is heard while the kernel is busy.
 *
 * JupyterLab gives comms a subshell only once it has the kernel's info, which a page that is loaded again waits for
 * until the cell has ended. So which subshell it was is kept for the pages of this tab.
 */

import { type Kernel, KernelMessage } from '@jupyterlab/services';
import { type JSONObject, UUID } from '@lumino/coreutils';

const TARGET = 'jupyter-mlpipe';
const KEY = 'jupyter-mlpipe:';

export class Quick {
  private readonly comm = UUID.uuid4();
  private subshell: string | null = null;

  private constructor(private readonly kernel: Kernel.IKernelConnection) {}

  static async open(kernel: Kernel.IKernelConnection): Promise<Quick> {
    const made = new Quick(kernel);
    made.subshell = knownSubshell(kernel.id);
    if (made.subshell === null) {
      await kernel.info;
      if (kernel.supportsSubshells) {
        made.subshell = (await kernel.requestCreateSubshell({}).done).content.subshell_id;
      }
    }
    const message = KernelMessage.createMessage<KernelMessage.ICommOpenMsg<'shell'>>({
      ...made.from,
      msgType: 'comm_open',
      content: { comm_id: made.comm, target_name: TARGET, data: {} }
    });
    kernel.sendShellMessage(message, false, true);
    return made;
  }

  send(data: object): void {
    const message = KernelMessage.createMessage<KernelMessage.ICommMsgMsg<'shell'>>({
      ...this.from,
      msgType: 'comm_msg',
      content: { comm_id: this.comm, data: data as JSONObject }
    });
    this.kernel.sendShellMessage(message, false, true);
  }

  /** Notes that the kernel has our package. */
  keep(): void {
    try {
      sessionStorage.setItem(KEY + this.kernel.id, this.subshell ?? '');
    } catch {
      // Where pages may keep nothing, it is found out again when the kernel is free.
    }
  }

  private get from() {
    const { username, clientId: session } = this.kernel;
    return { channel: 'shell', username, session, subshellId: this.subshell } as const;
  }
}

/** Returns the subshell that a kernel of ours has for us; "" where it has none, null where none is known. */
export function knownSubshell(kernel: string): string | null {
  try {
    return sessionStorage.getItem(KEY + kernel);
  } catch {
    return null;
  }
}

/** Notes that a kernel has our package no more, as far as is known. */
export function forget(kernel: string): void {
  try {
    sessionStorage.removeItem(KEY + kernel);
  } catch {
    // Nothing was kept.
  }
}
