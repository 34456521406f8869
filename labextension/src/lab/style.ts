/** Puts a style sheet into the page, once. */

import { element } from '../dom';

export function addStyle(id: string, style: string): void {
  if (!document.getElementById(id)) {
    document.head.append(element('style', { id }, style));
  }
}
