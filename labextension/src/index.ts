/**
 * What anywidget loads, for one of two widgets. One is for all graphs of a kernel: it finds them in the page of JupyterLab
 * and Notebook, which hold them as HTML. The other is for one graph: as HTML in VS Code, else where its view is put.
 */

import { element } from './dom';
import { Link, type Model } from './link';
import { Page } from './page';
import style from './style.css';
import { toDrawing } from './svg';

function addStyle(): void {
  if (!document.getElementById('mlpipe-style')) {
    document.head.append(element('style', { id: 'mlpipe-style' }, style));
  }
}

export default () => {
  const views = new Set<Element>();
  let page: Page | null = null;

  function put(view: Element, model: Model): void {
    view.replaceChildren(element('div', 'mlpipe-picture', (toDrawing(String(model.get('svg'))) as Node | null) ?? ''));
    page?.scan();
  }

  return {
    initialize({ model }: { model: Model }): () => void {
      addStyle();
      const graph = String(model.get('graph'));
      const shown = new Page(
        asked => link.ask(asked),
        () => [...views, ...document.querySelectorAll(`.mlpipe-root${graph && `[data-mlpipe-graph="${graph}"]`}`)]
      );
      const link = new Link(model, message => shown.take(message));
      const end = (): void => {
        model.off('comm_live_update', end);
        shown.dispose();
        link.close();
      };
      page = shown;
      // The kernel has been started anew, which does not end the widget's model.
      model.on('comm_live_update', end);
      if (graph) {
        // There, a comm that the page opens has disturbed other outputs.
        model.on('change:svg', () => views.forEach(view => put(view, model)));
        shown.scan();
      } else {
        void link.open().then(() => shown.scan());
      }
      return end;
    },

    render({ model, el }: { model: Model; el: HTMLElement }): () => void {
      const view = element('div', { class: 'mlpipe-view', 'data-mlpipe-graph': String(model.get('graph')) });
      views.add(view);
      el.append(view);
      put(view, model);
      return () => views.delete(view);
    }
  };
};
