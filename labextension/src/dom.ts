/** Elements made by nodes, never from text as HTML: what a step is called or prints is only ever text. */

/** Of `focus`: the page stays where it is. */
export const QUIETLY = { preventScroll: true };

type Attributes = Record<string, string | number>;
type Hearers = { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };

/** Makes an element with attributes; a text for these is its class. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes | string = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  set(made, typeof attributes === 'string' ? { class: attributes } : attributes);
  made.append(...children);
  return made;
}

export function shape(tag: string, attributes: Attributes): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  set(made, attributes);
  return made;
}

export function button(label: string, title: string, press: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', class: 'mlp-button', title }, label);
  // A word is its own name; a sign has none.
  if (!/\w/.test(label)) {
    set(made, { 'aria-label': title });
  }
  hear(made, { click: press });
  return made;
}

export function set(node: Element | undefined, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    node?.setAttribute(name, String(value));
  }
}

export function hear(node: EventTarget, hearers: Hearers, options?: AddEventListenerOptions): void {
  for (const [name, heard] of Object.entries(hearers)) {
    node.addEventListener(name, heard as EventListener, options);
  }
}

/** Makes what takes the keyboard where there is more in it than it shows, within a frame that says so. */
export function scroller(label: string, ...children: Node[]): HTMLElement {
  return framed(element('div', { class: 'mlp-scroll', tabindex: 0, role: 'group', 'aria-label': label }, ...children));
}

/** Puts a part that scrolls into a frame, which has a shadow where the part goes on. */
export function framed(part: HTMLElement): HTMLElement {
  const frame = element('div', 'mlp-frame', part);
  const look = (): void => {
    const { scrollLeft, scrollTop } = part;
    const [right, bottom] = [part.scrollWidth - part.clientWidth, part.scrollHeight - part.clientHeight];
    shade(frame, scrollLeft, right - scrollLeft, scrollTop, bottom - scrollTop);
  };
  hear(part, { scroll: look });
  const resized = new ResizeObserver(look);
  [part, ...part.children].forEach(node => resized.observe(node));
  return frame;
}

/** Shades the sides on which there is more, by so many pixels: left, right, top, bottom. */
export function shade(frame: HTMLElement, ...more: number[]): void {
  // Borders are nothing.
  const shades = more.map((by, side) => (by > 8 ? `inset ${['14px 0', '-14px 0', '0 14px', '0 -14px'][side]} 12px -12px` : '0 0'));
  frame.style.setProperty('--mlp-shade', shades.join());
}

/** Makes rows of a table, each with what it is about first. */
export function tableRows(lines: string[][]): HTMLElement[] {
  return lines.map(([first = '', ...others]) => {
    const cells = others.map(text => element('td', {}, text));
    return element('tr', {}, element('th', { scope: 'row' }, first), ...cells);
  });
}

/** Gives it the colour of a state; the style sheet says where that is. */
export function tint(node: HTMLElement | SVGElement, colour: string): void {
  node.style.setProperty('--mlp-c', colour);
}
