/** The drawing that the kernel has laid out, as nodes and edges; the way from node to node by arrow keys. */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Node {
  name: string;
  group: SVGGElement;
  /** In the drawing's own units, from its upper left corner. */
  box: Box;
  above: string[];
  below: string[];
  /** The group that it stands for, where it is a folded one. */
  folds: string | null;
}

export interface Edge {
  from: string;
  to: string;
  number: string;
  group: SVGGElement;
}

/** A group that is drawn as a box around its steps. */
export interface Frame {
  name: string;
  group: SVGGElement;
}

export interface Picture {
  svg: SVGSVGElement;
  nodes: Map<string, Node>;
  edges: Edge[];
  frames: Frame[];
  width: number;
  height: number;
}

export type Arrow = 'ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight';

export function isArrow(key: string): key is Arrow {
  return key === 'ArrowUp' || key === 'ArrowDown' || key === 'ArrowLeft' || key === 'ArrowRight';
}

function numbers(text: string | null): number[] {
  return (text?.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);
}

/** Where Graphviz has moved the drawing's origin to: `... translate(7.2 141.72)`. */
function origin(svg: Element): [number, number] {
  const moved = /translate\(([^)]*)\)/.exec(svg.querySelector('g')?.getAttribute('transform') ?? '');
  const [x = 0, y = 0] = numbers(moved?.[1] ?? '');
  return [x, y];
}

function boxOf(group: Element, [left, top]: [number, number]): Box {
  const drawn = group.querySelector('.mlpipe-box');
  const value = (name: string): number => Number(drawn?.getAttribute(name) ?? 0);
  return { x: value('x') + left, y: value('y') + top, width: value('width'), height: value('height') };
}

export function readPicture(svg: SVGSVGElement): Picture {
  const moved = origin(svg);
  const nodes = new Map<string, Node>();
  for (const group of svg.querySelectorAll<SVGGElement>('g[data-mlpipe-step]')) {
    const name = group.dataset.mlpipeStep ?? '';
    nodes.set(name, { name, group, box: boxOf(group, moved), above: [], below: [], folds: group.dataset.mlpipeGroup ?? null });
  }
  const edges: Edge[] = [];
  const names = [...nodes.keys()];
  for (const group of svg.querySelectorAll<SVGGElement>('g[data-mlpipe-flow]')) {
    const [number = '', ...ends] = (group.dataset.mlpipeFlow ?? '').split(' ');
    const [from = '', to = ''] = ends.map(at => names[Number(at)]);
    edges.push({ from, to, number, group });
    nodes.get(from)?.below.push(to);
    nodes.get(to)?.above.push(from);
  }
  const frames = [...svg.querySelectorAll<SVGGElement>('g.mlpipe-group')].map(group => ({
    name: group.dataset.mlpipeGroup ?? '',
    group
  }));
  const [, , width = 0, height = 0] = numbers(svg.getAttribute('viewBox'));
  return { svg, nodes, edges, frames, width, height };
}

function centre({ box }: Node): [number, number] {
  return [box.x + box.width / 2, box.y + box.height / 2];
}

/** Returns the node that a key leads to: along an edge up and down, to the next beside it left and right. */
export function neighbour(picture: Picture, name: string, key: Arrow): string | null {
  const node = picture.nodes.get(name);
  if (!node) {
    return null;
  }
  const [x, y] = centre(node);
  const isUpright = key === 'ArrowUp' || key === 'ArrowDown';
  const sign = key === 'ArrowUp' || key === 'ArrowLeft' ? -1 : 1;
  const linked = isUpright ? (sign < 0 ? node.above : node.below) : [];
  const names = linked.length > 0 ? linked : [...picture.nodes.keys()];
  let best: string | null = null;
  let least = Infinity;
  for (const other of names) {
    const found = picture.nodes.get(other);
    if (!found || found === node) {
      continue;
    }
    const [dx, dy] = [centre(found)[0] - x, centre(found)[1] - y];
    const ahead = sign * (isUpright ? dy : dx);
    const aside = Math.abs(isUpright ? dx : dy);
    if (linked.length === 0 && (ahead <= 1 || (!isUpright && aside > node.box.height))) {
      continue;
    }
    // Along an edge the one that is most straight ahead; else the nearest.
    const distance = linked.length > 0 ? aside + Math.abs(ahead) / 100 : ahead + 2 * aside;
    if (distance < least) {
      [best, least] = [other, distance];
    }
  }
  return best;
}

export function search(picture: Picture, makes: (name: string) => string[], words: string): string[] {
  const wanted = words.trim().toLowerCase();
  if (!wanted) {
    return [];
  }
  return [...picture.nodes.keys()].filter(name =>
    [name, ...makes(name)].some(text => text.toLowerCase().includes(wanted))
  );
}
