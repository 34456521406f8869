/**
 * The way by which a kernel is asked: a comm on a subshell of its own, on which the kernel never sends, so that it
 * is heard while the kernel is busy.
 *
 * JupyterLab gives comms a subshell only once it has the kernel's info, which a page that is loaded again waits for
 * until the cell has ended. So which subshell it was is kept for the pages of this tab.
 */

import { type Kernel, KernelMessage } from '@jupyterlab/services';
import { type JSONObject, UUID } from '@lumino/coreutils';
import { isPart, list } from '../read';

const TARGET = 'jupyter-mlpipe';
const KEY = 'jupyter-mlpipe:';

export class Quick {
  private readonly comm = UUID.uuid4();

  private constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly subshell: string | null
  ) {}

  static async open(kernel: Kernel.IKernelConnection): Promise<Quick> {
    const made = new Quick(kernel, knownSubshell(kernel.id) || (await newSubshell(kernel)));
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

  /** Notes that the kernel has our package, and hears us there. */
  keep(): void {
    try {
      if (this.subshell) {
        sessionStorage.setItem(KEY + this.kernel.id, this.subshell);
      }
    } catch {
      // Where pages may keep nothing, it is found out again when the kernel is free.
    }
  }

  private get from() {
    const { username, clientId: session } = this.kernel;
    return { channel: 'shell', username, session, subshellId: this.subshell } as const;
  }
}

async function newSubshell(kernel: Kernel.IKernelConnection): Promise<string | null> {
  await kernel.info;
  return kernel.supportsSubshells ? (await kernel.requestCreateSubshell({}).done).content.subshell_id : null;
}

/** Tells whether an earlier page was answered by the process that the kernel is now, on a subshell that it has still. */
export async function isKnown(kernel: Kernel.IKernelConnection): Promise<boolean> {
  const known = knownSubshell(kernel.id);
  if (!known) {
    return false;
  }
  // By hand: JupyterLab waits for the kernel's info first, and that for the cell that runs.
  const { username, clientId: session } = kernel;
  const asked = KernelMessage.createMessage<KernelMessage.IListSubshellRequestMsg>({
    msgType: 'list_subshell_request',
    channel: 'control',
    username,
    session,
    content: {}
  });
  const content: unknown = (await kernel.sendControlMessage(asked, true).done).content;
  if (isPart(content) && list(content.subshell_id).includes(known)) {
    return true;
  }
  forget(kernel.id);
  return false;
}

/** Returns the subshell on which a kernel of ours has heard this page, or the one before it. */
function knownSubshell(kernel: string): string | null {
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
