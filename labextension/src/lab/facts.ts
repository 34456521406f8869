/** What the kernel tells of its pipeline; see `cellfacts.py`. */

import { type GraphState, merged, type StepState, toRun, toStep } from '../protocol';
import { isPart, list, type Part, text } from '../read';

export { isPart, type Part };

/** A step, as its cell shows it. */
export interface CellFacts extends StepState {
  name: string;
  /** Of its cell; empty where it has none, or has it in another notebook of the kernel. */
  cell: string;
  /** Names that it reads, and where from: a step, "parameter" or "notebook". */
  reads: [string, string][];
  /** Whether what it made no longer matches the notebook. */
  stale: boolean;
  /** What running it took the last time, in words. */
  took: string;
  /** Whether somebody let an edit of it count as unchanged. */
  accepted: boolean;
}

export interface PipelineState {
  run: GraphState['run'];
  /** In the order of the notebook. */
  steps: CellFacts[];
  /** How many steps hold no more or were never run, and what running them takes. */
  stale: { n: number; text: string };
  parts: Part;
}

export const START: PipelineState = {
  run: toRun({}),
  steps: [],
  stale: { n: 0, text: '' },
  parts: {}
};

function toFacts(name: string, value: Part, notebook: unknown): CellFacts {
  return {
    ...toStep(value),
    name,
    cell: (value.notebook ?? 0) === notebook ? text(value.cell) : '',
    reads: list(value.reads).map(read => [text(list(read)[0]), text(list(read)[1])]),
    stale: value.stale === true,
    took: text(value.took),
    accepted: value.accepted === true
  };
}

/**
 * Reads what the kernel tells, as one of its clients has to show it: a copy of a notebook has cells of the same ids.
 *
 * `known` gives facts that are as they were, so that they need not be drawn again.
 */
export function parseState(
  parts: Part,
  client = '',
  known?: (step: string) => CellFacts | undefined
): PipelineState {
  const notebook = isPart(parts.notebooks) ? (parts.notebooks[client] ?? 0) : 0;
  const steps = isPart(parts.steps) ? parts.steps : {};
  const stale = isPart(parts.stale) ? parts.stale : {};
  return {
    run: toRun(parts.run),
    steps: Object.entries(steps).flatMap(([name, step]) =>
      isPart(step) ? [known?.(name) ?? toFacts(name, step, notebook)] : []
    ),
    stale: { n: typeof stale.n === 'number' ? stale.n : 0, text: text(stale.text) },
    parts
  };
}

/** Returns a state with what has changed in it; what is null is gone. */
export function apply(state: PipelineState, changed: Part, client = ''): PipelineState {
  const before = new Map(state.steps.map(step => [step.name, step]));
  const steps = isPart(changed.steps) ? changed.steps : {};
  const isKnown = (name: string): boolean => !('notebooks' in changed || name in steps);
  return parseState(merged(state.parts, changed), client, name => (isKnown(name) ? before.get(name) : undefined));
}
