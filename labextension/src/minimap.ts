/** The whole graph in a corner, where only a part of it is seen. */

import { element, hear, set, shape } from './dom';
import type { Picture } from './picture';
import type { StepState } from './protocol';
import type { Viewport } from './viewport';

const WIDTH = 128;
const HEIGHT = 80;
const NEARLY = 0.8; // seen of it, each way, that is enough to find one's way
const GAP = 8;
/** Bits: at the left, and at the top. */
const CORNERS = [0, 1, 2, 3];

export class Minimap {
  readonly node: HTMLElement;
  readonly #drawing: SVGElement;
  readonly #frame: SVGElement;
  readonly #marks = new Map<string, SVGElement>();
  #corner = 0;

  constructor(
    private readonly picture: Picture,
    private readonly unit: number,
    private readonly viewport: () => Viewport
  ) {
    const { width, height } = picture;
    const scale = Math.min(WIDTH / width, HEIGHT / height);
    this.#drawing = shape('svg', {
      viewBox: `0 0 ${width} ${height}`,
      width: Math.max(8, width * scale),
      height: Math.max(8, height * scale)
    });
    for (const { name, box } of picture.nodes.values()) {
      const mark = shape('rect', { class: 'mlp-mark', ...box });
      this.#marks.set(name, mark);
      this.#drawing.append(mark);
    }
    this.#frame = shape('rect', { class: 'mlp-part', 'vector-effect': 'non-scaling-stroke' });
    this.#drawing.append(this.#frame);
    this.node = element('div', { class: 'mlp-minimap', 'aria-hidden': 'true' });
    this.node.append(this.#drawing);
    hear(this.node, {
      pointerdown: event => this.#follow(event),
      pointermove: event => event.buttons === 1 && this.#follow(event)
    });
  }

  paint(name: string, state: StepState): void {
    this.#marks.get(name)?.style.setProperty('fill', state.colour);
  }

  /** Shows which part is seen; hides where that is all. */
  place(): void {
    const { stage, x, y, scale, size, width, height } = this.viewport();
    const [left, top] = [-x / scale, -y / scale];
    const [right, bottom] = [left + size.width / scale, top + size.height / scale];
    const across = Math.min(right, width) - Math.max(left, 0);
    const down = Math.min(bottom, height) - Math.max(top, 0);
    this.node.hidden = across >= width * NEARLY && down >= height * NEARLY;
    const { unit } = this;
    set(this.#frame, { x: left / unit, y: top / unit, width: (right - left) / unit, height: (bottom - top) / unit });
    // What is pressed stays under the pointer.
    if (!this.node.hidden && !stage.matches(':active')) {
      this.#settle();
    }
  }

  /** Goes to another corner where it covers fewer steps there. */
  #settle(): void {
    const { x, y, scale, size } = this.viewport();
    const by = this.unit * scale;
    const [width, height] = [this.node.offsetWidth + GAP, this.node.offsetHeight + GAP];
    const covered = (corner: number): number => {
      const [left, top] = [corner & 1 ? 0 : size.width - width, corner & 2 ? 0 : size.height - height];
      return [...this.picture.nodes.values()].filter(({ box }) => {
        const [from, to] = [box.x * by + x - left, box.y * by + y - top];
        return from < width && from + box.width * by > 0 && to < height && to + box.height * by > 0;
      }).length;
    };
    let least = covered(this.#corner);
    for (const corner of CORNERS) {
      const n = least && covered(corner);
      if (n < least) {
        [this.#corner, least] = [corner, n];
      }
    }
    const [isLeft, isTop] = [this.#corner & 1, this.#corner & 2];
    this.node.style.inset = [isTop, !isLeft, !isTop, isLeft].map(is => (is ? `${GAP}px` : 'auto')).join(' ');
  }

  #follow(event: PointerEvent): void {
    event.preventDefault();
    event.stopPropagation();
    const { left, top, width, height } = this.#drawing.getBoundingClientRect();
    const viewport = this.viewport();
    viewport.centreOn(
      ((event.clientX - left) / width) * viewport.width,
      ((event.clientY - top) / height) * viewport.height
    );
  }
}
