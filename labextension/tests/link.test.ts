import { expect, test, vi } from 'vitest';
import { Link, type Model } from '../src/link';

class Kernel {
  readonly calls: string[] = [];
  readonly sent: object[] = [];

  constructor(private readonly hasSubshells = true) {}

  createComm(target: string) {
    this.calls.push(`create ${target}`);
    return {
      subshellStarted: this.hasSubshells
        ? Promise.resolve().then(() => this.calls.push('subshell'))
        : new Promise(() => {}),
      open: () => {
        this.calls.push('open');
        return { done: Promise.resolve() };
      },
      send: (content: object) => this.sent.push(content),
      close: () => this.calls.push('close')
    };
  }
}

function model(kernel?: Kernel) {
  const hearers = new Set<(content: unknown) => void>();
  const sent: object[] = [];
  const made: Model = {
    get: () => '',
    on: (_, hear) => hearers.add(hear),
    off: (_, hear) => hear && hearers.delete(hear),
    send: content => sent.push(content),
    ...(kernel ? { widget_manager: { kernel } } : {})
  };
  return { made, sent, hearers };
}

test('a subshell is there before the comm is opened, and all is asked by it', async () => {
  const kernel = new Kernel();
  const { made, sent } = model(kernel);
  const link = new Link(made, () => {});
  await link.open();
  link.ask({ graph: 'g', do: 'stop' });
  expect(kernel.calls).toEqual(['create jupyter-mlpipe', 'subshell', 'open']);
  expect([kernel.sent, sent]).toEqual([[{ graph: 'g', do: 'stop' }], []]);
  link.close();
  expect(kernel.calls.at(-1)).toBe('close');
});

test('a kernel without subshells is asked by the comm all the same', async () => {
  vi.useFakeTimers();
  const kernel = new Kernel(false);
  const link = new Link(model(kernel).made, () => {});
  const opened = link.open();
  await vi.advanceTimersByTimeAsync(3000);
  await opened;
  vi.useRealTimers();
  link.ask({ graph: 'g', do: 'hello' });
  expect(kernel.sent).toEqual([{ graph: 'g', do: 'hello' }]);
});

test('without a kernel to reach, the widget is asked', async () => {
  const { made, sent } = model();
  const link = new Link(made, () => {});
  await link.open();
  link.ask({ graph: 'g', do: 'hello' });
  expect(sent).toEqual([{ graph: 'g', do: 'hello' }]);
});

test('what is known is handed on, until it is closed', () => {
  const { made, hearers } = model();
  const taken: unknown[] = [];
  const link = new Link(made, message => taken.push(message));
  for (const hear of hearers) {
    hear({ graph: 'g', said: 'x' });
    hear('nonsense');
  }
  expect(taken).toMatchObject([{ kind: 'said', graph: 'g', told: 'x' }]);
  link.close();
  expect(hearers.size).toBe(0);
});
