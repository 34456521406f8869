/** Puts a widget into a cell, between its input and its output. */

import type { Cell } from '@jupyterlab/cells';
import type { PanelLayout, Widget } from '@lumino/widgets';

/** It is there once the cell has its parts, which are made when it is first scrolled to. */
export function placeBelowInput(cell: Cell, widget: Widget): void {
  void cell.ready.then(() => {
    if (!cell.isDisposed && !widget.isDisposed) {
      const layout = cell.layout as PanelLayout;
      const input = layout.widgets.findIndex(part => part.hasClass('jp-Cell-inputWrapper'));
      layout.insertWidget(input + 1, widget);
    }
  });
}
