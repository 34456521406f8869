/** What the kernel says of a cell that is being typed; see `checking.py`. */

import { isPart, list, text } from '../read';

export interface Flaw {
  from: number;
  to: number;
  text: string;
  severity: 'error' | 'warning';
}

export interface Check {
  flaws: Flaw[];
  /** Where the header ends. */
  at: number | null;
  /** What is inferred of the signature; null where it cannot be said. */
  inferred: string | null;
  told: string;
  /** What to say of a step's cell whose text is not the one that was run; empty otherwise. */
  edited: string;
}

export const NOTHING: Check = { flaws: [], at: null, inferred: '', told: '', edited: '' };

/**
 * Reads an answer about a text of some length.
 *
 * `has` tells whether a cell is still in the notebook: what is wrong beside one that is gone is right again.
 */
export function toCheck(value: unknown, length: number, has: (cell: string) => boolean): Check {
  if (!isPart(value)) {
    return NOTHING;
  }
  const place = (found: unknown): number =>
    Math.max(0, Math.min(length, typeof found === 'number' ? Math.floor(found) : 0));
  const flaws = list(value.flaws).flatMap(found => {
    if (!isPart(found) || (typeof found.beside === 'string' && !has(found.beside))) {
      return [];
    }
    const severity = found.severity === 'warning' ? 'warning' : 'error';
    const from = place(found.from);
    return [{ from, to: Math.max(from, place(found.to)), text: text(found.text), severity } as const];
  });
  return {
    flaws,
    at: typeof value.at === 'number' ? place(value.at) : null,
    inferred: typeof value.inferred === 'string' ? value.inferred : null,
    told: text(value.told),
    edited: text(value.edited)
  };
}
