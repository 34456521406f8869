/** Says changes of state to who does not see them: a few at a time, not faster than they can be heard. */

import { element } from './dom';

const PAUSE_MS = 1000;
const AT_ONCE = 3;

export class News {
  readonly node = element('div', { class: 'mlp-hidden', role: 'status', 'aria-live': 'polite' });
  readonly #waiting = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Says it soon; of what is said of one thing meanwhile, only the last. */
  add(about: string, text: string): void {
    this.#waiting.set(about, text);
    this.#timer ??= setTimeout(() => this.#say(), PAUSE_MS);
  }

  dispose(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
  }

  #say(): void {
    this.#timer = null;
    const texts = [...this.#waiting.values()];
    this.#waiting.clear();
    const more = texts.length > AT_ONCE ? [`${texts.length - AT_ONCE} more changes`] : [];
    this.node.textContent = [...texts.slice(0, AT_ONCE), ...more].join('. ');
  }
}
