/** Puts a view in the place of each graph: those that the notebook holds as HTML, or those that a widget shows. */

import { QUIETLY } from './dom';
import type { Ask, Message } from './protocol';
import { toDrawing } from './svg';
import { View } from './view';

export class Page {
  readonly #views: { view: View; root: Element }[] = [];
  readonly #observer = new MutationObserver(() => this.scan());
  readonly #known = new Set<string>();
  readonly #drawings = new Map<string, SVGSVGElement>();
  #isEnded = false;

  /**
   * @param roots - Finds them: each holds a picture of the graph that its `data-mlpipe-graph` names.
   */
  constructor(
    private readonly ask: (asked: Ask) => void,
    private readonly roots: () => Iterable<Element>
  ) {
    // At once, before the page is drawn: a picture that is put in anew is not seen to be taken over.
    this.#observer.observe(document.body, { childList: true, subtree: true });
  }

  scan(): void {
    if (this.#isEnded) {
      return;
    }
    const roots = new Set(this.roots());
    for (const root of roots) {
      const svg = root.querySelector<SVGSVGElement>(':scope > .mlpipe-picture > svg');
      const graph = root.getAttribute('data-mlpipe-graph');
      if (svg && graph) {
        this.#takeOver(root, svg, graph, roots);
      }
    }
  }

  /** Gives a message to the views of its graph; one that is answered is of this kernel. */
  take(message: Message): void {
    const { graph } = message;
    if (message.kind === 'drawing') {
      const drawn = toDrawing(message.told);
      if (drawn) {
        this.#drawings.set(graph, drawn);
        this.scan();
      }
      return;
    }
    if (message.kind === 'all' && !this.#known.has(graph)) {
      this.#known.add(graph);
      this.scan();
    }
    const roots = new Set(this.roots());
    for (const { view, root } of this.#views) {
      if (view.graph === graph && roots.has(root)) {
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

  #takeOver(root: Element, svg: SVGSVGElement, graph: string, roots: Set<Element>): void {
    if (!this.#known.has(graph)) {
      // Of a kernel that is gone, or of another one: only its own answers.
      this.#askOnce(svg, { graph, do: 'hello' });
      return;
    }
    // Its picture was put in anew, in its place or in one that is gone.
    const others = this.#views.filter(({ view }) => view.graph === graph);
    const before = others.find(({ root: old }) => old === root || !roots.has(old));
    // One beside others begins as they stand: the page may put it in before it takes them out.
    const like = before ?? others.at(-1);
    const kept = like?.view.kept;
    const focused = document.activeElement === document.body ? before?.view.focused : null;
    let view = before?.view;
    if (!view?.isOf(svg)) {
      const drawn = this.#whole(svg, graph);
      if (!drawn) {
        return;
      }
      view?.dispose();
      view = new View(graph, drawn, this.ask, like?.view);
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
        focused.focus(QUIETLY);
      } else {
        view.focus(kept);
      }
    }
    this.ask({ graph, do: 'hello' });
  }

  /** Returns a picture as it is, or what it is the outline of; null where that has to be asked for. */
  #whole(svg: SVGSVGElement, graph: string): SVGSVGElement | null {
    if (!svg.classList.contains('mlpipe-outline')) {
      return svg;
    }
    const known = this.#drawings.get(graph);
    if (known?.dataset.mlpipeDrawing === svg.dataset.mlpipeDrawing) {
      return (known?.cloneNode(true) as SVGSVGElement | undefined) ?? null;
    }
    this.#askOnce(svg, { graph, do: 'drawing' });
    return null;
  }

  #askOnce(svg: SVGSVGElement, asked: Ask): void {
    if (svg.dataset.mlpipeAsked !== asked.do) {
      svg.dataset.mlpipeAsked = asked.do;
      this.ask(asked);
    }
  }
}
