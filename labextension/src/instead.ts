/** What stands in place of the table of runs: two of them compared, or when the steps of one waited and ran. */

import { comparison } from './compare';
import { button, element, QUIETLY } from './dom';
import type { Compared, Past } from './protocol';
import { Timeline } from './timeline';

export class Instead {
  readonly node = element('div', { class: 'mlp-compare', hidden: '', tabindex: -1 });
  #timeline: Timeline | null = null;

  constructor(private readonly leave: () => void) {}

  compared(compared: Compared): void {
    this.#show('Two runs compared', comparison(compared));
  }

  past({ text, state }: Past): void {
    const timeline = new Timeline();
    this.#show(text, timeline.node);
    this.#timeline = timeline;
    timeline.show(true);
    timeline.paint(state);
  }

  key(event: KeyboardEvent): boolean {
    return this.#timeline?.key(event) ?? false;
  }

  close(): void {
    this.#timeline?.dispose();
    this.#timeline = null;
    this.node.hidden = true;
    this.node.replaceChildren();
  }

  #show(title: string, shown: HTMLElement): void {
    this.close();
    const back = button('‹ Runs', 'Back to the table of runs (Escape)', () => this.leave());
    this.node.append(element('div', 'mlp-tools', back, element('b', {}, title)), shown);
    this.node.hidden = false;
    this.node.focus(QUIETLY);
  }
}
