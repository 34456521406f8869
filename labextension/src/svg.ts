/** A drawing that the kernel sends: made anew of the few kinds of elements that it has, and never taken as it is. */

const SVG = 'http://www.w3.org/2000/svg';
const ELEMENTS = new Set(['svg', 'g', 'rect', 'path', 'polygon', 'text', 'tspan', 'title']);
const ATTRIBUTES = /^(class|role|aria-label|viewBox|transform|d?[xy]|width|height|rx|d|points|fill|stroke(-width)?|font-size|font-family|font-weight|text-anchor|data-mlpipe-[a-z]+|xml:space)$/;

/** Returns it as nodes; null where it is none. */
export function toDrawing(text: string): SVGSVGElement | null {
  const { documentElement: root } = new DOMParser().parseFromString(text, 'image/svg+xml');
  return root.localName === 'svg' ? (copied(root) as SVGSVGElement | null) : null;
}

function copied(node: Element): Element | null {
  if (!ELEMENTS.has(node.localName)) {
    return null;
  }
  const made = document.createElementNS(SVG, node.localName);
  for (const { name, value } of node.attributes) {
    if (ATTRIBUTES.test(name)) {
      made.setAttribute(name, value);
    }
  }
  for (const child of node.childNodes) {
    if (child.nodeType === 3) {
      made.append(child.textContent ?? '');
    } else if (child.nodeType === 1) {
      made.append(copied(child as Element) ?? '');
    }
  }
  return made;
}
