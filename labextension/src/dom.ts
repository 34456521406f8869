/** Elements made by nodes, never from text as HTML: what a step is called or prints is only ever text. */

type Attributes = Record<string, string>;

/** Makes an element with attributes; a text for these is its class. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes | string = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(typeof attributes === 'string' ? { class: attributes } : attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function shape(tag: string, attributes: Attributes): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  return made;
}

export function button(label: string, title: string, press: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', class: 'mlp-button', title }, label);
  // A word is its own name; a sign has none.
  if (!/\w/.test(label)) {
    made.setAttribute('aria-label', title);
  }
  made.addEventListener('click', press);
  return made;
}
