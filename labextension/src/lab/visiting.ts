/** Brings a cell of the notebook into view, and makes it the active one. */

import type { Pipeline } from './pipeline';

/** Returns whether there is such a cell. */
export function goToCell({ panel: { content } }: Pipeline, cellId: string): boolean {
  const index = content.widgets.findIndex(widget => widget.model.id === cellId);
  const cell = content.widgets[index];
  if (!cell) {
    return false;
  }
  content.deselectAll();
  content.mode = 'command';
  content.activeCellIndex = index;
  void content.scrollToCell(cell, 'smart').then(() => content.activate());
  cell.addClass('mlp-arrived');
  cell.node.addEventListener('animationend', () => cell.removeClass('mlp-arrived'), { once: true });
  return true;
}
