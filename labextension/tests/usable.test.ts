import { describe, expect, it } from 'vitest';
import { type CellFacts, parseState } from '../src/lab/facts';
import * as usable from '../src/lab/usable';

const { steps } = parseState({
  steps: {
    load: { cell: 'a', makes: [['df', '', '']] },
    fit: { cell: 'b', reads: [['df', 'load']], makes: [['model', '', '']], accepted: true }
  }
});

type Name = keyof typeof usable;

/** Returns what can be used on a cell. */
function can(id: string, text: string, isLive = true, known: readonly CellFacts[] = steps): Name[] {
  const place = { isLive, steps: known, id, isCode: id !== 'words', text, step: known.find(step => step.cell === id) };
  return (Object.keys(usable) as Name[]).filter(name => usable[name](place)).sort();
}

describe('what can be used', () => {
  it('on the cell of a step', () => {
    const always: Name[] = ['canBeLocked', 'hasHeader', 'hasSteps', 'isKnown', 'isStep'];
    expect(can('a', '%%component load\ndf = 1')).toEqual([...always, 'hasConsumers'].sort());
    expect(can('b', '%%component fit\nmodel = df')).toEqual([...always, 'hasProducers', 'isAccepted'].sort());
  });

  it('on a component that has not run, and on a step whose line was taken out', () => {
    expect(can('c', '#| component: new\nx = 1')).toEqual(['canBeLocked', 'hasHeader', 'hasSteps', 'isStep']);
    expect(can('a', 'df = 1')).toEqual(['hasConsumers', 'hasSteps', 'isKnown', 'isPlain', 'isStep']);
  });

  it('on a plain cell', () => {
    expect(can('c', 'print(model)')).toEqual(['hasProducers', 'hasSteps', 'isPlain']);
    expect(can('c', ' \n')).toEqual(['hasSteps']);
    expect(can('words', 'about %%component')).toEqual(['hasSteps']);
    expect(can('words', '%%component fit')).toEqual(['hasSteps']);
  });

  it('before the kernel knows our package: what makes a component', () => {
    expect(can('a', 'df = 1', false, [])).toEqual(['isPlain']);
    expect(can('a', '%%component load\ndf = 1', false, [])).toEqual(['hasHeader']);
  });
});
