/** What the kernel tells of its pipeline; see `cellfacts.py`. */

import { isPart, list, merged, type Part, type StepState, text, toStep } from '../protocol';

export { isPart, type Part };

/** A step, as its cell shows it. */
export interface CellFacts extends StepState {
  name: string;
  /** Of its cell; empty where it has none. */
  cell: string;
  /** Names that it reads, and where from: a step, "parameter" or "notebook". */
  reads: [string, string][];
  /** Whether what it made no longer matches the notebook. */
  stale: boolean;
}

export interface PipelineState {
  run: { status: string | null; text: string };
  /** In the order of the notebook. */
  steps: CellFacts[];
  parts: Part;
}

export const START: PipelineState = { run: { status: null, text: '' }, steps: [], parts: {} };

function toFacts(name: string, value: Part): CellFacts {
  return {
    ...toStep(value),
    name,
    cell: text(value.cell),
    reads: list(value.reads).map(read => [text(list(read)[0]), text(list(read)[1])]),
    stale: value.stale === true
  };
}

export function parseState(parts: Part): PipelineState {
  const run = isPart(parts.run) ? parts.run : {};
  const steps = isPart(parts.steps) ? parts.steps : {};
  return {
    run: { status: typeof run.status === 'string' ? run.status : null, text: text(run.text) },
    steps: Object.entries(steps).flatMap(([name, step]) => (isPart(step) ? [toFacts(name, step)] : [])),
    parts
  };
}

/** Returns a state with what has changed in it; what is null is gone. */
export function apply(state: PipelineState, changed: Part): PipelineState {
  return parseState(merged(state.parts, changed));
}
