/** Zoom and pan: the drawing lies on a sheet that is moved and scaled behind the stage. */

import { hear, shade } from './dom';
import type { Box } from './picture';

const LEAST = 0.01; // unless all of it needs less
const NOTHING = 1e-6; // where the stage has no size
const MOST = 4;
const READABLE = 0.9; // names of 12 pixels: what does not fit is gone to, and not made smaller
/** Where no step is looked at: to see all of a graph is worth names of 9 pixels. */
export const OVERVIEW = 0.7;
/** Between what is brought into the stage and its edge. */
const MARGIN = 16;

export class Viewport {
  scale = 1;
  x = 0;
  y = 0;
  /** Whether the user has moved it: it is not fitted again by itself then. */
  isMoved = false;

  constructor(
    readonly stage: HTMLElement,
    private readonly sheet: HTMLElement,
    readonly width: number,
    readonly height: number,
    private readonly changed: () => void
  ) {
    hear(stage, { wheel: event => this.#wheel(event) }, { passive: false });
    hear(stage, { pointerdown: event => this.#drag(event) });
  }

  get size(): { width: number; height: number } {
    return { width: this.stage.clientWidth, height: this.stage.clientHeight };
  }

  /** How high the stage has to be for what it shows at first. */
  get startHeight(): number {
    return Math.ceil(this.height * this.#acrossScale(OVERVIEW));
  }

  #acrossScale(least: number): number {
    return Math.min(1, Math.max(least, this.size.width / this.width));
  }

  get #wholeScale(): number {
    return Math.max(NOTHING, Math.min(1, this.size.width / this.width, this.size.height / this.height));
  }

  /** Shows all of it, or its top where all of it would be smaller than `least`. */
  start(least = READABLE): void {
    const whole = this.#wholeScale;
    this.fit(whole >= least ? whole : this.#acrossScale(least));
  }

  /** Shows all of it, or at a given scale its top. */
  fit(scale = this.#wholeScale): void {
    const { width, height } = this.size;
    this.scale = scale;
    this.x = (width - this.width * scale) / 2;
    this.y = Math.max(0, (height - this.height * scale) / 2);
    this.isMoved = false;
    this.#place();
  }

  /** Zooms by a factor and keeps a point of the stage where it is; by default its middle. */
  zoom(factor: number, x = this.size.width / 2, y = this.size.height / 2): void {
    const scale = Math.min(MOST, Math.max(Math.min(LEAST, this.#wholeScale), this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.isMoved = true;
    this.#place();
  }

  pan(dx: number, dy: number): void {
    this.isMoved = true;
    this.#move(dx, dy);
  }

  #move(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.#place();
  }

  /** Moves as little as brings a box of the sheet into the stage. */
  reveal(box: Box): void {
    const { width, height } = this.size;
    const by = (from: number, length: number, room: number) => {
      const to = from + length;
      if (length + 2 * MARGIN > room || from < MARGIN) {
        return MARGIN - from;
      }
      return to > room - MARGIN ? room - MARGIN - to : 0;
    };
    const dx = by(box.x * this.scale + this.x, box.width * this.scale, width);
    const dy = by(box.y * this.scale + this.y, box.height * this.scale, height);
    if (dx || dy) {
      this.#move(dx, dy);
    }
  }

  centreOn(x: number, y: number): void {
    const { width, height } = this.size;
    this.pan(width / 2 - x * this.scale - this.x, height / 2 - y * this.scale - this.y);
  }

  #place(): void {
    const { x, y, scale, size } = this;
    this.sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    shade(this.stage, -x, x + this.width * scale - size.width, -y, y + this.height * scale - size.height);
    this.changed();
  }

  #wheel(event: WheelEvent): void {
    // The wheel alone scrolls the notebook.
    if (!event.ctrlKey && !event.metaKey) {
      return;
    }
    event.preventDefault();
    const { left, top } = this.stage.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
  }

  #drag(start: PointerEvent): void {
    if (start.button !== 0) {
      return;
    }
    let [x, y] = [start.clientX, start.clientY];
    let isDragged = false;
    const move = (event: PointerEvent): void => {
      // A click with an unsteady hand is a click.
      if (!isDragged && Math.hypot(event.clientX - x, event.clientY - y) < 4) {
        return;
      }
      if (!isDragged) {
        isDragged = true;
        this.stage.setPointerCapture(start.pointerId);
        this.stage.classList.add('mlp-dragged');
      }
      this.pan(event.clientX - x, event.clientY - y);
      [x, y] = [event.clientX, event.clientY];
    };
    const ended = new AbortController();
    const end = (): void => {
      ended.abort();
      // After the click that follows, which it is not.
      setTimeout(() => {
        this.stage.classList.remove('mlp-dragged');
        this.changed();
      });
    };
    hear(this.stage, { pointermove: move, pointerup: end, pointercancel: end }, ended);
  }
}
