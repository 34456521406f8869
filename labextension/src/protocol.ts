/** What the kernel says of a graph and what it is asked; see `graphfacts.py` and `asks.py`. */

import { isPart, isTrue, list, listOf, number, numberOrNull, type Part, parts, type Read, record, text, textOrNull, tuple } from './read';

const texts = listOf(text);
const rows = listOf(texts);

export const toStep = record({
  status: textOrNull,
  plan: textOrNull,
  sign: text,
  text,
  colour: text,
  filled: isTrue,
  why: text,
  worker: textOrNull,
  /** From 0 to 1, of a running step that tells. */
  progress: numberOrNull,
  /** Outputs: name, shape, size and what it was the time before; empty where not known, or the same. */
  makes: listOf(tuple(text, text, text, text)),
  group: text,
  /** Of a folded group: its steps. */
  members: texts
});
export type StepState = Read<typeof toStep>;

/** When a step waited and ran, in seconds from the start of what the timeline shows. */
export interface Bar {
  /** The worker; empty where it had none. */
  lane: string;
  queued: number | null;
  began: number | null;
  ended: number | null;
  isCritical: boolean;
  text: string;
}

function toBar(value: unknown): Bar {
  const [lane, queued, began, ended, isCritical, said] = list(value);
  return {
    lane: text(lane),
    queued: numberOrNull(queued),
    began: numberOrNull(began),
    ended: numberOrNull(ended),
    isCritical: isTrue(isCritical),
    text: text(said)
  };
}

export const toRun = record({
  status: textOrNull,
  sign: text,
  colour: text,
  text,
  /** How long the timeline is so far. */
  seconds: number,
  /** What made it so long. */
  path: text
});
const toStale = (value: unknown): string => text(isPart(value) ? value.text : '');
const toState = record({
  run: toRun,
  steps: parts(toStep),
  /** What flows along each edge, by its number: its size, and a line for each output. */
  flows: parts(texts),
  bars: parts(toBar),
  /** What to say of steps that a run would bring up to date; empty where there are none. */
  stale: toStale
});
export type GraphState = Read<typeof toState>;
export const NOTHING = toState({});

const toReason = record({ text, diff: text });
export type Reason = Read<typeof toReason>;

const toItem = record({
  name: text,
  from: text,
  shape: text,
  size: text,
  type: text,
  /** What it was the time before, where that differs. */
  was: text,
  /** Why it is not kept, or what its first rows are. */
  note: text
});
export type Item = Read<typeof toItem>;

/** What a step showed: a figure, or text where it is none. */
const toShown = record({ png: value => /^[A-Za-z0-9+/=]*$/.exec(text(value))?.[0] ?? '', text });
export type Shown = Read<typeof toShown>;

/** Of one step. */
export const toDetail = record({
  interface: text,
  code: text,
  reasons: listOf(toReason),
  reads: listOf(toItem),
  makes: listOf(toItem),
  facts: listOf(tuple(text, text)),
  /** Name, value, and what that was before. */
  metrics: rows,
  curves: listOf(tuple(text, listOf(tuple(number, number)))),
  /** CPU and memory: asked for, used, and what to ask for. */
  use: rows,
  /** How it ended the last times: when, its status, what it took. */
  ends: rows,
  log: text,
  shown: listOf(toShown),
  traceback: text
});
export type Detail = Read<typeof toDetail>;

/** A cell of the table of runs: what is read, and what it is sorted by. */
export type Cell = [string, string | number];
const toCell = tuple<Cell>(text, value => numberOrNull(value) ?? text(value));

/** The first cell says when it began. */
const toRunRow = record({ id: text, colour: text, is_reused: isTrue, cells: listOf(toCell) });
export type RunRow = Read<typeof toRunRow>;

/** The latest runs, newest first; columns by their titles, each a `text`, a `number`, a `metric` or the `state`. */
const toTable = record({ columns: listOf(tuple(text, text)), rows: listOf(toRunRow) });
export type RunsTable = Read<typeof toTable>;

const toStepDiff = record({
  name: text,
  /** In either run: colour and words. */
  states: listOf(tuple(text, text)),
  reasons: listOf(toReason),
  /** Name, and its values. */
  metrics: rows,
  differs: isTrue
});
export type StepDiff = Read<typeof toStepDiff>;

/** Two runs, the earlier one first. */
const toCompared = record({
  runs: listOf(record({ id: text, text })),
  /** Drawings as SVG; none where there are too many steps. */
  pictures: texts,
  parameters: rows,
  steps: listOf(toStepDiff),
  /** How many steps do not differ. */
  same: number
});
export type Compared = Read<typeof toCompared>;

/** One run: its words, and its steps for a timeline. */
const toPast = record({ text, state: toState });
export type Past = Read<typeof toPast>;

const toPart = (value: unknown): Part => (isPart(value) ? value : {});

/** What the kernel sends, by its kind: a message holds one of these. */
const KINDS = {
  all: toState,
  changed: toPart,
  detail: toDetail,
  log: text,
  runs: toTable,
  compared: toCompared,
  past: toPast,
  drawing: text,
  said: text
};
type Kind = keyof typeof KINDS;
export type Message = {
  [K in Kind]: {
    kind: K;
    graph: string;
    /** Which of the messages on the state it is. */
    n: number;
    /** That it is about, where it is one step's. */
    step: string;
    told: ReturnType<(typeof KINDS)[K]>;
  };
}[Kind];

export type Ask =
  | { graph: string; do: 'hello' | 'drawing' | 'stop' | 'close' | 'runs' }
  | { graph: string; do: 'step' | 'cancel'; step: string }
  | { graph: string; do: 'fold'; groups: string[] }
  | { graph: string; do: 'compare'; runs: [string, string] }
  | { graph: string; do: 'past'; run: string }
  | { graph: string; do: 'run'; how: RunHow; step?: string };

/** Of one step. */
export type StepHow = 'only' | 'to' | 'from' | 'force';
export type RunHow = 'all' | 'stale' | StepHow;

/** Returns what the kernel sent, or null where it is nothing that is known here. */
export function parse(value: unknown): Message | null {
  const kind = isPart(value) && (Object.keys(KINDS) as Kind[]).find(known => known in value);
  if (!kind || typeof value.graph !== 'string') {
    return null;
  }
  return { kind, graph: value.graph, n: number(value.n), step: text(value.step), told: KINDS[kind](value[kind]) } as Message;
}

/** Returns a copy to which any name may be added, `__proto__` too. */
function copied<T>(known: Record<string, T>): Record<string, T> {
  return Object.assign(Object.create(null), known) as Record<string, T>;
}

export function merged(known: unknown, changed: Part): Part {
  const whole = copied(isPart(known) ? known : {});
  for (const [name, value] of Object.entries(changed)) {
    whole[name] = isPart(value) ? merged(whole[name], value) : value;
  }
  return whole;
}

/** Puts what has changed into a copy of parts by name; what is null is gone. */
function patched<T>(known: Record<string, T>, changed: unknown, read: (value: unknown) => T): Record<string, T> {
  if (!isPart(changed)) {
    return known;
  }
  const next = copied(known);
  for (const [name, part] of Object.entries(changed)) {
    if (part === null) {
      delete next[name];
    } else {
      next[name] = read(isPart(part) ? merged(known[name], part) : part);
    }
  }
  return next;
}

/** Returns a state with what has changed in it. */
export function apply(state: GraphState, changed: Part): GraphState {
  const { run, steps, flows, bars } = state;
  return {
    run: isPart(changed.run) ? toRun(merged(run, changed.run)) : run,
    steps: patched(steps, changed.steps, toStep),
    flows: patched(flows, changed.flows, texts),
    bars: patched(bars, changed.bars, toBar),
    stale: isPart(changed.stale) && 'text' in changed.stale ? toStale(changed.stale) : state.stale
  };
}
