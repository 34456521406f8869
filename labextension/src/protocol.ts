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
  /** Outputs: name, shape and size, the latter two empty where not known. */
  makes: [string, string, string][];
}

export interface GraphState {
  run: { status: string | null; text: string };
  steps: Record<string, StepState>;
  /** Size of what flows along each edge, by its number. */
  flows: Record<string, string>;
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

export interface Detail {
  interface: string;
  code: string;
  reasons: Reason[];
  reads: Item[];
  makes: Item[];
  facts: [string, string][];
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
  | { kind: 'said'; graph: string; text: string };

export type Ask =
  | { graph: string; do: 'hello' | 'stop' | 'close' }
  | { graph: string; do: 'step'; step: string }
  | { graph: string; do: 'run'; how: RunHow; step?: string };

export type RunHow = 'all' | 'to' | 'from' | 'force';

export function isPart(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function toStep(value: unknown): StepState {
  const part = isPart(value) ? value : {};
  return {
    status: typeof part.status === 'string' ? part.status : null,
    plan: typeof part.plan === 'string' ? part.plan : null,
    sign: text(part.sign),
    text: text(part.text),
    colour: text(part.colour),
    filled: part.filled === true,
    why: text(part.why),
    worker: typeof part.worker === 'string' ? part.worker : null,
    progress: typeof part.progress === 'number' ? part.progress : null,
    makes: list(part.makes).map(made => {
      const [name, shape, size] = list(made);
      return [text(name), text(shape), text(size)];
    })
  };
}

function toState(value: Part): GraphState {
  const run = isPart(value.run) ? value.run : {};
  const steps = isPart(value.steps) ? value.steps : {};
  const flows = isPart(value.flows) ? value.flows : {};
  return {
    run: { status: typeof run.status === 'string' ? run.status : null, text: text(run.text) },
    steps: Object.fromEntries(Object.entries(steps).map(([name, step]) => [name, toStep(step)])),
    flows: Object.fromEntries(Object.entries(flows).map(([number, size]) => [number, text(size)]))
  };
}

function toItem(value: unknown): Item {
  const part = isPart(value) ? value : {};
  return {
    name: text(part.name),
    from: text(part.from),
    shape: text(part.shape),
    size: text(part.size),
    type: text(part.type),
    was: text(part.was),
    note: text(part.note)
  };
}

function toShown(value: unknown): Shown {
  const part = isPart(value) ? value : {};
  const png = text(part.png);
  return { png: /^[A-Za-z0-9+/=]*$/.test(png) ? png : '', text: text(part.text) };
}

export function toDetail(part: Part): Detail {
  return {
    interface: text(part.interface),
    code: text(part.code),
    reasons: list(part.reasons).map(reason =>
      isPart(reason) ? { text: text(reason.text), diff: text(reason.diff) } : { text: '', diff: '' }
    ),
    reads: list(part.reads).map(toItem),
    makes: list(part.makes).map(toItem),
    facts: list(part.facts).map(fact => [text(list(fact)[0]), text(list(fact)[1])]),
    ends: list(part.ends).map(end => list(end).map(text)),
    log: text(part.log),
    shown: list(part.shown).map(toShown),
    traceback: text(part.traceback)
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
  return typeof value.said === 'string' ? { kind: 'said', graph, text: value.said } : null;
}

export function merged(known: unknown, changed: Part): Part {
  const whole: Part = isPart(known) ? { ...known } : {};
  for (const [name, value] of Object.entries(changed)) {
    whole[name] = isPart(value) ? merged(whole[name], value) : value;
  }
  return whole;
}

/** Returns a state with what has changed in it. */
export function apply(state: GraphState, changed: Part): GraphState {
  const { run, steps, flows } = state;
  const next = { run, steps: { ...steps }, flows: { ...flows } };
  if (isPart(changed.run)) {
    next.run = toState({ run: merged(run, changed.run) }).run;
  }
  if (isPart(changed.steps)) {
    for (const [name, part] of Object.entries(changed.steps)) {
      next.steps[name] = toStep(merged(steps[name], isPart(part) ? part : {}));
    }
  }
  if (isPart(changed.flows)) {
    Object.assign(next.flows, toState({ flows: changed.flows }).flows);
  }
  return next;
}
