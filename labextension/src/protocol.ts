/** What the kernel says of a graph and what it is asked; see `graphfacts.py` and `asks.py`. */

export interface StepState {
  status: string | null;
  plan: string | null;
  sign: string;
  text: string;
  colour: string;
  filled: boolean;
  why: string;
  worker: string | null;
  /** From 0 to 1, of a running step that tells. */
  progress: number | null;
  /** Outputs: name, shape, size and what it was the time before; empty where not known, or the same. */
  makes: [string, string, string, string][];
  group: string;
  /** Of a folded group: its steps. */
  members: string[];
}

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

export interface GraphState {
  run: {
    status: string | null;
    text: string;
    /** How long the timeline is so far. */
    seconds: number;
    /** What made it so long. */
    path: string;
  };
  steps: Record<string, StepState>;
  /** What flows along each edge, by its number: its size, and a line for each output. */
  flows: Record<string, string[]>;
  bars: Record<string, Bar>;
  /** What to say of steps that a run would bring up to date; empty where there are none. */
  stale: string;
}

export interface Reason {
  text: string;
  diff: string;
}

export interface Item {
  name: string;
  from: string;
  shape: string;
  size: string;
  type: string;
  /** What it was the time before, where that differs. */
  was: string;
  /** Why it is not kept, or what its first rows are. */
  note: string;
}

/** What a step showed: a figure, or text where it is none. */
export interface Shown {
  png: string;
  text: string;
}

/** A cell of the table of runs: what is read, and what it is sorted by. */
export type Cell = [string, string | number];

export interface RunRow {
  id: string;
  at: number;
  when: string;
  what: string;
  status: string;
  sign: string;
  colour: string;
  seconds: number | null;
  took: string;
  ran: number;
  reused: number;
  parameters: Cell[];
  metrics: Cell[];
}

/** The latest runs, newest first. */
export interface RunsTable {
  parameters: string[];
  metrics: string[];
  rows: RunRow[];
}

export interface StepDiff {
  name: string;
  /** In either run: colour and words. */
  states: [string, string][];
  reasons: Reason[];
  /** Name, and its values. */
  metrics: string[][];
  differs: boolean;
}

/** Two runs, the earlier one first. */
export interface Compared {
  runs: { id: string; text: string }[];
  /** Drawings as SVG; none where there are too many steps. */
  pictures: string[];
  parameters: string[][];
  steps: StepDiff[];
  /** How many steps do not differ. */
  same: number;
}

export interface Detail {
  interface: string;
  code: string;
  reasons: Reason[];
  reads: Item[];
  makes: Item[];
  facts: [string, string][];
  /** Name, value, and what that was before. */
  metrics: string[][];
  curves: [string, [number, number][]][];
  /** CPU and memory: asked for, used, and what to ask for. */
  use: string[][];
  /** How it ended the last times: when, its status, what it took. */
  ends: string[][];
  log: string;
  shown: Shown[];
  traceback: string;
}

export type Part = Record<string, unknown>;

export type Message =
  | { kind: 'all'; graph: string; n: number; state: GraphState }
  | { kind: 'changed'; graph: string; n: number; changed: Part }
  | { kind: 'detail'; graph: string; step: string; detail: Detail }
  | { kind: 'log'; graph: string; step: string; text: string }
  | { kind: 'runs'; graph: string; table: RunsTable }
  | { kind: 'compared'; graph: string; compared: Compared }
  | { kind: 'said'; graph: string; text: string };

export type Ask =
  | { graph: string; do: 'hello' | 'stop' | 'close' | 'runs' }
  | { graph: string; do: 'step' | 'cancel'; step: string }
  | { graph: string; do: 'fold'; groups: string[] }
  | { graph: string; do: 'compare'; runs: [string, string] }
  | { graph: string; do: 'run'; how: RunHow; step?: string };

/** Of one step. */
export type StepHow = 'only' | 'to' | 'from' | 'force';
export type RunHow = 'all' | 'stale' | StepHow;

export function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts<Name extends string>(part: Part, ...names: Name[]): Record<Name, string> {
  return Object.fromEntries(names.map(name => [name, text(part[name])])) as Record<Name, string>;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function toStep(value: unknown): StepState {
  const part = isPart(value) ? value : {};
  return {
    ...texts(part, 'sign', 'text', 'colour', 'why', 'group'),
    status: textOrNull(part.status),
    plan: textOrNull(part.plan),
    filled: part.filled === true,
    worker: textOrNull(part.worker),
    progress: number(part.progress),
    makes: list(part.makes).map(made => {
      const [name, shape, size, was] = list(made);
      return [text(name), text(shape), text(size), text(was)];
    }),
    members: list(part.members).map(text)
  };
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function toBar(value: unknown): Bar {
  const [lane, queued, began, ended, isCritical, said] = list(value);
  return {
    lane: text(lane),
    queued: number(queued),
    began: number(began),
    ended: number(ended),
    isCritical: isCritical === true,
    text: text(said)
  };
}

function toRun(value: unknown): GraphState['run'] {
  const run = isPart(value) ? value : {};
  return { ...texts(run, 'text', 'path'), status: textOrNull(run.status), seconds: number(run.seconds) ?? 0 };
}

function entries<T>(value: unknown, read: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(isPart(value) ? value : {}).map(([name, part]) => [name, read(part)]));
}

function toFlow(value: unknown): string[] {
  return list(value).map(text);
}

function toStale(value: unknown): string {
  return text(isPart(value) ? value.text : '');
}

function toState(value: Part): GraphState {
  return {
    run: toRun(value.run),
    steps: entries(value.steps, toStep),
    flows: entries(value.flows, toFlow),
    bars: entries(value.bars, toBar),
    stale: toStale(value.stale)
  };
}

function toItem(value: unknown): Item {
  return texts(isPart(value) ? value : {}, 'name', 'from', 'shape', 'size', 'type', 'was', 'note');
}

function toShown(value: unknown): Shown {
  const part = isPart(value) ? value : {};
  const png = text(part.png);
  return { png: /^[A-Za-z0-9+/=]*$/.test(png) ? png : '', text: text(part.text) };
}

function toReason(value: unknown): Reason {
  return texts(isPart(value) ? value : {}, 'text', 'diff');
}

function rows(value: unknown): string[][] {
  return list(value).map(row => list(row).map(text));
}

function toCurve(value: unknown): [string, [number, number][]] {
  const [name, points] = list(value);
  const found = list(points).map((point): [number, number] => {
    const [x, y] = list(point);
    return [number(x) ?? 0, number(y) ?? 0];
  });
  return [text(name), found];
}

export function toDetail(part: Part): Detail {
  return {
    ...texts(part, 'interface', 'code', 'log', 'traceback'),
    reasons: list(part.reasons).map(toReason),
    reads: list(part.reads).map(toItem),
    makes: list(part.makes).map(toItem),
    facts: list(part.facts).map(fact => [text(list(fact)[0]), text(list(fact)[1])]),
    metrics: rows(part.metrics),
    curves: list(part.curves).map(toCurve),
    use: rows(part.use),
    ends: rows(part.ends),
    shown: list(part.shown).map(toShown)
  };
}

function toCell(value: unknown): Cell {
  const [shown, by] = list(value);
  return [text(shown), number(by) ?? text(by)];
}

function toTable(part: Part): RunsTable {
  return {
    parameters: list(part.parameters).map(text),
    metrics: list(part.metrics).map(text),
    rows: list(part.rows)
      .filter(isPart)
      .map(row => ({
        ...texts(row, 'id', 'when', 'what', 'status', 'sign', 'colour', 'took'),
        at: number(row.at) ?? 0,
        seconds: number(row.seconds),
        ran: number(row.ran) ?? 0,
        reused: number(row.reused) ?? 0,
        parameters: list(row.parameters).map(toCell),
        metrics: list(row.metrics).map(toCell)
      }))
  };
}

function toCompared(part: Part): Compared {
  return {
    runs: list(part.runs)
      .filter(isPart)
      .map(run => texts(run, 'id', 'text')),
    pictures: list(part.pictures).map(text),
    parameters: rows(part.parameters),
    steps: list(part.steps)
      .filter(isPart)
      .map(step => ({
        name: text(step.name),
        states: list(step.states).map((state): [string, string] => [text(list(state)[0]), text(list(state)[1])]),
        reasons: list(step.reasons).map(toReason),
        metrics: rows(step.metrics),
        differs: step.differs === true
      })),
    same: number(part.same) ?? 0
  };
}

/** Returns what the kernel sent, or null where it is nothing that is known here. */
export function parse(value: unknown): Message | null {
  if (!isPart(value) || typeof value.graph !== 'string') {
    return null;
  }
  const graph = value.graph;
  if (typeof value.n === 'number') {
    if (isPart(value.all)) {
      return { kind: 'all', graph, n: value.n, state: toState(value.all) };
    }
    if (isPart(value.changed)) {
      return { kind: 'changed', graph, n: value.n, changed: value.changed };
    }
  }
  if (typeof value.step === 'string') {
    if (isPart(value.detail)) {
      return { kind: 'detail', graph, step: value.step, detail: toDetail(value.detail) };
    }
    if (typeof value.log === 'string') {
      return { kind: 'log', graph, step: value.step, text: value.log };
    }
  }
  if (isPart(value.runs)) {
    return { kind: 'runs', graph, table: toTable(value.runs) };
  }
  if (isPart(value.compared)) {
    return { kind: 'compared', graph, compared: toCompared(value.compared) };
  }
  return typeof value.said === 'string' ? { kind: 'said', graph, text: value.said } : null;
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
    flows: patched(flows, changed.flows, toFlow),
    bars: patched(bars, changed.bars, toBar),
    stale: isPart(changed.stale) && 'text' in changed.stale ? toStale(changed.stale) : state.stale
  };
}
