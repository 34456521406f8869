import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { KernelLink } from '../src/lab/kernel';

const STATE = 'jupyter-mlpipe-state';
const STEP = { fit: { cell: 'a', status: 'running', sign: '▶', text: 'running' } };

interface Sent {
  header: { msg_type: string; subshell_id?: string };
  content: { data?: { do?: string; id?: string; cells?: boolean } };
}

/** A kernel as JupyterLab shows it: what is sent to it is kept, and it says what a test lets it say. */
class FakeKernel {
  readonly id = 'kernel-1';
  readonly username = '';
  readonly clientId = 'page-1';
  readonly info = Promise.resolve({});
  readonly supportsSubshells = true;
  readonly sent: Sent[] = [];
  readonly iopubMessage = new Signal<this, unknown>(this);
  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly connectionStatusChanged = new Signal<this, Kernel.ConnectionStatus>(this);
  readonly disposed = new Signal<this, void>(this);
  process = 'process-1';
  comms: Record<string, object> = {};
  subshells = ['sub-1'];
  nLooked = 0;
  /** What opening a subshell waits for. */
  opening: Promise<unknown> = Promise.resolve();

  requestCommInfo() {
    this.nLooked += 1;
    return Promise.resolve({ content: { status: 'ok', comms: this.comms } });
  }

  requestCreateSubshell() {
    return { done: this.opening.then(() => ({ content: { subshell_id: 'sub-1' } })) };
  }

  sendControlMessage() {
    return { done: Promise.resolve({ content: { subshell_id: this.subshells } }) };
  }

  sendShellMessage(message: Sent) {
    this.sent.push(message);
  }

  says(data: object, type = 'comm_msg', comm_id = STATE): void {
    const header = { msg_type: type, session: this.process };
    this.iopubMessage.emit({ channel: 'iopub', header, content: { comm_id, data } });
  }

  becomes(status: Kernel.Status): void {
    this.statusChanged.emit(status);
  }

  get asked() {
    return this.sent.flatMap(({ content }) => (content.data?.cells ? [content.data] : []));
  }
}

let kernel: FakeKernel;
let link: KernelLink;

const settled = (): Promise<unknown> => new Promise(done => setTimeout(done));

function open(): void {
  link = new KernelLink(kernel as unknown as Kernel.IKernelConnection, () => 'here.ipynb');
}

/** Opens a link to a kernel that has told of itself. */
async function openLive(): Promise<void> {
  open();
  kernel.says({ here: true });
  await settled();
  kernel.says({ n: 0, all: { steps: STEP } });
  kernel.sent.length = 0;
}

beforeEach(() => {
  sessionStorage.clear();
  kernel = new FakeKernel();
});

describe('the link to a kernel', () => {
  it('says nothing to a kernel that is not ours', async () => {
    open();
    kernel.becomes('idle');
    kernel.says({ here: true }, 'comm_msg', 'of somebody else');
    kernel.says({ here: true }, 'stream');
    await settled();
    expect(kernel.sent).toEqual([]);
    expect(kernel.nLooked).toBe(1);
    await expect(link.ask({ do: 'runs' })).rejects.toThrow('%load_ext jupyter_mlpipe');
  });

  it('asks for all once our package is loaded, on a subshell', async () => {
    open();
    kernel.says({ here: true });
    await settled();
    expect(kernel.sent.map(({ header }) => [header.msg_type, header.subshell_id])).toEqual([
      ['comm_open', 'sub-1'],
      ['comm_msg', 'sub-1']
    ]);
    expect(kernel.asked.map(asked => asked.do)).toEqual(['hello']);
    expect(link.isLive).toBe(false);
    kernel.says({ n: 3, all: { steps: STEP } });
    expect(link.isLive).toBe(true);
    expect(link.state.steps.map(({ name, cell }) => [name, cell])).toEqual([['fit', 'a']]);
  });

  it('finds a kernel in which it was loaded before', async () => {
    kernel.comms = { [STATE]: {} };
    open();
    await settled();
    expect(kernel.asked.map(asked => asked.do)).toEqual(['hello']);
  });

  it('follows what changes, and asks for all where it missed something', async () => {
    await openLive();
    const changed = vi.fn();
    link.changed.connect(changed);
    kernel.says({ n: 1, changed: { steps: { fit: { text: 'ran 2 s', status: 'succeeded' } } } });
    expect(link.state.steps[0]).toMatchObject({ name: 'fit', cell: 'a', text: 'ran 2 s', status: 'succeeded' });
    kernel.says({ n: 2, changed: { steps: { fit: null } } });
    expect(link.state.steps).toEqual([]);
    expect(changed).toHaveBeenCalledTimes(2);
    kernel.says({ n: 4, changed: { steps: STEP } });
    await settled();
    expect(link.state.steps).toEqual([]);
    expect(kernel.asked.map(asked => asked.do)).toEqual(['hello']);
  });

  it('gives each ask its own answer, and none of another page', async () => {
    await openLive();
    const [one, two] = [link.ask({ do: 'one' }), link.ask({ do: 'two' })];
    const refused = expect(two).rejects.toThrow('no');
    await settled();
    const [first, second] = kernel.asked.map(asked => asked.id);
    expect(first).not.toBe(second);
    kernel.says({ answer: 'page-2-1', text: 'of another page' });
    kernel.says({ answer: 1, text: 'of another page' });
    kernel.says({ answer: second, error: 'no' });
    kernel.says({ answer: first, text: 'yes' });
    expect(await one).toMatchObject({ text: 'yes' });
    await refused;
  });

  it('takes what is no message for nothing', async () => {
    await openLive();
    for (const data of [null, 3, [], { n: 'x' }, { n: 1, changed: 3 }, { answer: {} }, { step: 3, log: 'x' }]) {
      kernel.says(data as object);
    }
    expect(link.state.steps).toHaveLength(1);
  });

  it('passes on what the watched step prints', async () => {
    await openLive();
    const logged = vi.fn();
    link.logged.connect(logged);
    kernel.says({ step: 'fit', log: '<b>' });
    expect(logged.mock.calls[0]?.[1]).toEqual({ step: 'fit', text: '<b>' });
  });

  it('forgets a kernel that restarts, and what it still says', async () => {
    await openLive();
    const asked = expect(link.ask({ do: 'why' })).rejects.toThrow('The kernel is gone');
    await settled();
    kernel.becomes('restarting');
    await asked;
    expect([link.isLive, link.state.steps]).toEqual([false, []]);
    kernel.says({ n: 1, all: { steps: STEP } });
    expect(link.isLive).toBe(false);
    kernel.sent.length = 0;
    kernel.process = 'process-2';
    kernel.becomes('idle');
    await settled();
    expect(kernel.sent).toEqual([]);
    kernel.says({ here: true });
    await settled();
    kernel.says({ n: 0, all: { steps: {} } });
    expect([link.isLive, link.state.steps]).toEqual([true, []]);
  });

  it('asks a restarted kernel nothing that was meant for the one before', async () => {
    open();
    let opened = (_?: unknown): void => undefined;
    kernel.opening = new Promise(done => (opened = done));
    kernel.says({ here: true });
    await settled();
    kernel.becomes('restarting');
    opened();
    await settled();
    expect(kernel.asked).toEqual([]);
  });

  it('tries again where its way could not be opened', async () => {
    open();
    kernel.opening = Promise.reject(new Error('no subshell'));
    kernel.says({ here: true });
    await settled();
    expect(kernel.sent).toEqual([]);
    kernel.opening = Promise.resolve();
    kernel.says({ here: true });
    await settled();
    expect(kernel.asked.map(asked => asked.do)).toEqual(['hello']);
  });

  it('knows when our package was taken out', async () => {
    await openLive();
    kernel.says({}, 'comm_close');
    expect([link.isLive, link.state.steps]).toEqual([false, []]);
    expect(sessionStorage).toHaveLength(0);
  });

  it('goes on by the subshell of the page before, unless the kernel is another process', async () => {
    await openLive();
    await settled();
    link.dispose();
    kernel.nLooked = 0;
    kernel.opening = new Promise(() => undefined); // a busy kernel would not say what it supports
    open();
    await settled();
    expect(kernel.sent.map(({ header }) => header.subshell_id)).toEqual(['sub-1', 'sub-1']);
    expect(kernel.nLooked).toBe(0);
    link.dispose();
    kernel.sent.length = 0;
    kernel.subshells = [];
    open();
    await settled();
    expect(kernel.sent).toEqual([]);
    expect(kernel.nLooked).toBe(1);
  });

  it('asks for all when it is connected again', async () => {
    await openLive();
    kernel.connectionStatusChanged.emit('connected');
    await settled();
    expect(kernel.asked.map(asked => asked.do)).toEqual(['hello']);
  });

  it('hears nothing any more once it is disposed', async () => {
    await openLive();
    const asked = expect(link.ask({ do: 'why' })).rejects.toThrow('The kernel is gone');
    await settled();
    kernel.disposed.emit();
    await asked;
    kernel.says({ here: true });
    await settled();
    expect(link.isLive).toBe(false);
    expect(kernel.asked).toHaveLength(1);
  });
});
