import { describe, expect, it } from 'vitest';
import { parseState } from '../src/lab/facts';
import { consumers, narrow, producers, wordAt } from '../src/lab/neighbours';

const { steps } = parseState({
  steps: {
    load: { cell: 'a', makes: [['df', '', ''], ['size', '', '']] },
    clean: { cell: 'b', reads: [['df', 'load'], ['seed', 'parameter']], makes: [['df', '', '']] },
    fit: { cell: 'c', reads: [['df', 'clean'], ['size', 'load']], makes: [['model', '', '']] },
    elsewhere: { cell: '', reads: [['df', 'load']] }
  }
});

describe('neighbours of a cell', () => {
  it('are the steps that it reads from', () => {
    expect(producers(steps, 'c', '')).toEqual([
      { cell: 'a', step: 'load', names: ['size'] },
      { cell: 'b', step: 'clean', names: ['df'] }
    ]);
    expect(producers(steps, 'a', 'df')).toEqual([]);
  });

  it('are the steps that make the names of a plain cell', () => {
    expect(producers(steps, 'plain', 'print(model, sizes)').map(way => way.step)).toEqual(['fit']);
    expect(producers(steps, 'plain', 'df.plot()').map(way => way.step)).toEqual(['load', 'clean']);
  });

  it('are the steps that read from it, where they have a cell', () => {
    expect(consumers(steps, 'a')).toEqual([
      { cell: 'b', step: 'clean', names: ['df'] },
      { cell: 'c', step: 'fit', names: ['size'] }
    ]);
    expect(consumers(steps, 'plain')).toEqual([]);
  });

  it('know the name at the cursor, be it in letters of any script', () => {
    const line = 'größe = df.sum() + x2';
    expect([0, 3, 5].map(column => wordAt(line, column))).toEqual(['größe', 'größe', 'größe']);
    expect([8, 10, 11, 19].map(column => wordAt(line, column))).toEqual(['df', 'df', 'sum', 'x2']);
    expect([6, 7, 17].map(column => wordAt(line, column))).toEqual(['', '', '']);
  });

  it('are fewer where the cursor is on a name', () => {
    const found = producers(steps, 'c', '');
    expect(narrow(found, 'size').map(way => way.step)).toEqual(['load']);
    expect(narrow(found, 'other')).toBe(found);
  });
});
