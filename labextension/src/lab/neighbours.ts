/** Which cells a cell takes names from, and which take from it: as the kernel has told, worked out by name only. */

import type { CellFacts } from './facts';

/** A way from one cell to another. */
export interface Way {
  cell: string;
  step: string;
  /** Names that go along it. */
  names: string[];
}

/** A name, as Python has them. */
export const WORD = /[\p{L}_][\p{L}\p{N}\p{M}_]*/gu;

/** The steps that a cell's step reads from; of a plain cell, those that make the names in its text. */
export function producers(steps: readonly CellFacts[], cell: string, text: string): Way[] {
  const step = steps.find(each => each.cell === cell);
  if (step) {
    return ways(steps, name => step.reads.filter(([, source]) => source === name).map(([read]) => read));
  }
  const words = new Set(text.match(WORD));
  return ways(steps, (_, made) => made.filter(name => words.has(name)));
}

/** The steps that read from a cell's step. */
export function consumers(steps: readonly CellFacts[], cell: string): Way[] {
  const step = steps.find(each => each.cell === cell);
  return step
    ? steps.flatMap(other => {
        const names = other.reads.filter(([, source]) => source === step.name).map(([read]) => read);
        return names.length && other.cell ? [{ cell: other.cell, step: other.name, names }] : [];
      })
    : [];
}

/** Returns the name at a place in a line, "" where there is none. */
export function wordAt(line: string, column: number): string {
  for (const word of line.matchAll(WORD)) {
    if (word.index <= column && column <= word.index + word[0].length) {
      return word[0];
    }
  }
  return '';
}

/** Returns the one way that a name goes, where there is one. */
export function narrow(found: Way[], name: string): Way[] {
  const of = found.filter(way => way.names.includes(name));
  return of.length ? of : found;
}

function ways(
  steps: readonly CellFacts[],
  names: (step: string, made: string[]) => string[]
): Way[] {
  return steps.flatMap(step => {
    const found = names(
      step.name,
      step.makes.map(made => made[0])
    );
    return found.length && step.cell ? [{ cell: step.cell, step: step.name, names: found }] : [];
  });
}
