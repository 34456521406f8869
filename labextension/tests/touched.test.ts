import { describe, expect, it } from 'vitest';
import { parseState } from '../src/lab/facts';
import { changedNames, touches } from '../src/lab/touched';

const LOAD = { cell: 'a', makes: [['df', '', '']] };
const FIT = { cell: 'b', reads: [['df', 'load'], ['größe', 'notebook']], makes: [['model', '', '']] };

function names(before: object, after: object): string[] {
  return [...changedNames(parseState({ steps: before }).steps, parseState({ steps: after }).steps)].sort();
}

describe('what a change is about', () => {
  it('is each step that came, went or has another interface, with what it had and has', () => {
    expect(names({}, { load: LOAD })).toEqual(['df', 'load']);
    expect(names({ load: LOAD, fit: FIT }, { load: LOAD })).toEqual(['df', 'fit', 'größe', 'model']);
    expect(names({ load: LOAD }, { load: { ...LOAD, makes: [['table', '', '']] } })).toEqual(['df', 'load', 'table']);
    expect(names({ fit: FIT }, { fit: { ...FIT, reads: [['df', 'clean'], ['größe', 'notebook']] } })).toContain('df');
  });

  it('is nothing where only states have changed', () => {
    expect(names({ load: LOAD }, { load: { ...LOAD, status: 'running', makes: [['df', '3', '2 B']] } })).toEqual([]);
    expect(names({ load: LOAD, fit: FIT }, { fit: FIT, load: LOAD })).toEqual([]);
  });

  it('touches the cells in which one of its names stands, whole', () => {
    const changed = new Set(['df', 'größe']);
    expect(touches('%%component use\nn = len(df)', changed)).toBe(true);
    expect(touches('n = größe + 1', changed)).toBe(true);
    expect(touches('dfs = größer', changed)).toBe(false);
    expect(touches('df', new Set())).toBe(false);
  });
});
