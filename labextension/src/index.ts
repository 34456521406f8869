/** What anywidget loads: one module for all graphs of a kernel. */

import { Link, type Model } from './link';
import { Page } from './page';
import style from './style.css';

function addStyle(): void {
  if (!document.getElementById('mlpipe-style')) {
    const made = document.createElement('style');
    made.id = 'mlpipe-style';
    made.textContent = style;
    document.head.append(made);
  }
}

export default {
  initialize({ model }: { model: Model }): () => void {
    addStyle();
    const page = new Page(asked => link.ask(asked));
    const link = new Link(model, message => page.take(message));
    const end = (): void => {
      model.off('comm_live_update', end);
      page.dispose();
      link.close();
    };
    // The kernel has been started anew, which does not end the widget's model.
    model.on('comm_live_update', end);
    void link.open().then(() => page.scan());
    return end;
  }
};
