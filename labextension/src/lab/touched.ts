/** Of which cells a change of the pipeline may say something else: those in whose text stands a name that it is about. */

import type { CellFacts } from './facts';
import { WORD } from './neighbours';

/** Returns the names of steps that came, went or have other interfaces, with all that they read and make. */
export function changedNames(before: readonly CellFacts[], after: readonly CellFacts[]): Set<string> {
  const [was, is] = [before, after].map(steps => new Map(steps.map(step => [step.name, step])));
  const differs = (step: CellFacts, other: CellFacts | undefined): boolean =>
    step !== other && (!other || interfaceOf(step) !== interfaceOf(other));
  const changed = [
    ...before.filter(step => differs(step, is?.get(step.name))),
    ...after.filter(step => differs(step, was?.get(step.name)))
  ];
  return new Set(changed.flatMap(namesOf));
}

export function touches(text: string, names: ReadonlySet<string>): boolean {
  return names.size > 0 && (text.match(WORD) ?? []).some(word => names.has(word));
}

function namesOf({ name, reads, makes }: CellFacts): string[] {
  return [name, ...reads.map(read => read[0]), ...makes.map(made => made[0])];
}

function interfaceOf({ reads, makes }: CellFacts): string {
  return JSON.stringify([reads, makes.map(made => made[0])]);
}
