import { describe, expect, it } from 'vitest';
import { NOTHING, toCheck } from '../src/lab/check';

const FLAW = { from: 2, to: 5, text: 'no', severity: 'error' };
const all = (): boolean => true;

describe('what the kernel says of a cell', () => {
  it('is read as it was sent', () => {
    const sent = { flaws: [FLAW, { ...FLAW, severity: 'warning' }], at: 9, inferred: 'a → b', told: 'reads a', edited: 'edited' };
    expect(toCheck(sent, 10, all)).toEqual(sent);
    expect(toCheck({ flaws: [], at: null, inferred: null, told: '', edited: '' }, 0, all)).toEqual({ ...NOTHING, inferred: null });
  });

  it('never reaches beyond the text', () => {
    const flaws = [
      { ...FLAW, from: -1, to: 99 },
      { ...FLAW, from: 7, to: 3 },
      { ...FLAW, from: 'x', to: null }
    ];
    const check = toCheck({ flaws, at: 99 }, 10, all);
    expect(check.flaws.map(({ from, to }) => [from, to])).toEqual([
      [0, 10],
      [7, 7],
      [0, 0]
    ]);
    expect(check.at).toBe(10);
  });

  it('leaves out what is about a cell that is gone', () => {
    const flaws = [{ ...FLAW, beside: 'here' }, { ...FLAW, beside: 'gone' }];
    expect(toCheck({ flaws }, 10, cell => cell === 'here').flaws).toHaveLength(1);
  });

  it('is nothing where it is no answer', () => {
    for (const sent of [null, 3, 'x', [], { flaws: 'x' }, { flaws: [null, 3] }]) {
      expect(toCheck(sent, 10, all).flaws).toEqual([]);
    }
  });
});
