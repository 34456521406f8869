import { describe, expect, it } from 'vitest';
import { parseState } from '../src/lab/facts';
import { consumers, narrow, producers } from '../src/lab/neighbours';

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

  it('are fewer where the cursor is on a name', () => {
    const found = producers(steps, 'c', '');
    expect(narrow(found, 'size').map(way => way.step)).toEqual(['load']);
    expect(narrow(found, 'other')).toBe(found);
  });
});
