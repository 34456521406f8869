/** Finds the graphs in the page, which the notebook holds as HTML, and puts a view in the place of each. */

import type { Ask, Message } from './protocol';
import { View } from './view';

export class Page {
  readonly #views: { view: View; root: Element }[] = [];
  readonly #observer: MutationObserver;
  readonly #known = new Set<string>();
  #isEnded = false;

  constructor(private readonly ask: (asked: Ask) => void) {
    // At once, before the page is drawn: a picture that is put in anew is not seen to be taken over.
    this.#observer = new MutationObserver(() => this.scan());
    this.#observer.observe(document.body, { childList: true, subtree: true });
  }

  scan(): void {
    if (this.#isEnded) {
      return;
    }
    for (const root of [...document.getElementsByClassName('mlpipe-root')]) {
      const svg = root.querySelector<SVGSVGElement>(':scope > .mlpipe-picture > svg');
      const graph = root.getAttribute('data-mlpipe-graph');
      if (svg && graph) {
        this.#takeOver(root, svg, graph);
      }
    }
  }

  /** Gives a message to the views of its graph; one that is answered is of this kernel. */
  take(message: Message): void {
    if (message.kind === 'all' && !this.#known.has(message.graph)) {
      this.#known.add(message.graph);
      this.scan();
    }
    for (const { view, root } of this.#views) {
      if (view.graph === message.graph && root.isConnected) {
        view.take(message);
      }
    }
  }

  dispose(): void {
    this.#isEnded = true;
    this.#observer.disconnect();
    for (const { view } of this.#views) {
      view.dispose();
    }
  }

  #takeOver(root: Element, svg: SVGSVGElement, graph: string): void {
    if (!this.#known.has(graph)) {
      // Of a kernel that is gone, or of another one: only its own answers.
      if (!root.hasAttribute('data-mlpipe-asked')) {
        root.setAttribute('data-mlpipe-asked', '');
        this.ask({ graph, do: 'hello' });
      }
      return;
    }
    const before = this.#views.find(({ view, root: old }) => view.graph === graph && !old.isConnected);
    const kept = before?.view.kept;
    const focused = document.activeElement === document.body ? before?.view.focused : null;
    let view = before?.view;
    if (!view?.isOf(svg)) {
      view?.dispose();
      view = new View(graph, svg, this.ask, before?.view.told);
      if (kept) {
        view.goOn(kept);
      }
    }
    if (before) {
      this.#views.splice(this.#views.indexOf(before), 1);
    }
    this.#views.push({ view, root });
    root.replaceChildren(view.node);
    if (focused && kept) {
      if (view === before?.view) {
        focused.focus({ preventScroll: true });
      } else {
        view.focus(kept);
      }
    }
    this.ask({ graph, do: 'hello' });
  }
}
