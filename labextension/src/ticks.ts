/** Round numbers for axes, and durations on them. */

const ROUND_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** Returns a round step of which at most `most` go into `span`. */
export function roundStep(span: number, most: number): number {
  const least = span / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const found = [1, 2, 5, 10].find(factor => factor * power >= least) ?? 10;
  return found * power;
}

/** The same for seconds: minutes and hours are round, too. */
export function roundSeconds(span: number, most: number): number {
  return (span / most > 1 ? ROUND_S.find(step => step >= span / most) : undefined) ?? roundStep(span, most);
}

/** Returns a time on an axis: `0.2 s`, `1:30 min`, `2 h`. */
export function describeTime(seconds: number, step: number): string {
  if (step < 1 || seconds < 60) {
    const digits = step < 1 ? Math.min(3, Math.ceil(-Math.log10(step))) : 0;
    return `${seconds.toFixed(digits)} s`;
  }
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)}:${two(seconds % 60)} min`;
  }
  return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)} h`;
}
