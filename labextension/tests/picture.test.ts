import { expect, test } from 'vitest';
import { neighbour, readPicture, search } from '../src/picture';
import { diamond, draw } from './drawn';

test('nodes, edges and places are read from the drawing', () => {
  const picture = readPicture(diamond());
  expect([picture.width, picture.height]).toEqual([400, 300]);
  expect(picture.nodes.get('load')?.box).toEqual({ x: 110, y: 10, width: 60, height: 30 });
  expect(picture.nodes.get('join')?.above).toEqual(['left', 'right']);
  expect(picture.edges.map(({ from, to, number }) => [from, to, number])).toContainEqual(['right', 'join', '3']);
});

test('arrow keys go along edges up and down, to the next beside it left and right', () => {
  const picture = readPicture(diamond());
  expect(neighbour(picture, 'load', 'ArrowDown')).toBe('left');
  expect(neighbour(picture, 'left', 'ArrowRight')).toBe('right');
  expect(neighbour(picture, 'right', 'ArrowLeft')).toBe('left');
  expect(neighbour(picture, 'right', 'ArrowDown')).toBe('join');
  expect(neighbour(picture, 'join', 'ArrowUp')).toBe('left');
  expect(neighbour(picture, 'left', 'ArrowLeft')).toBeNull();
  expect(neighbour(picture, 'load', 'ArrowUp')).toBeNull();
  expect(neighbour(picture, 'nobody', 'ArrowUp')).toBeNull();
});

test('steps without an edge are reached too', () => {
  const picture = readPicture(draw({ one: [0, -280], two: [0, -180], three: [0, -80] }));
  expect(neighbour(picture, 'one', 'ArrowDown')).toBe('two');
  expect(neighbour(picture, 'three', 'ArrowUp')).toBe('two');
});

test('a step is found by its name and by what it makes', () => {
  const picture = readPicture(diamond());
  const makes = (name: string) => (name === 'join' ? ['Merged'] : []);
  expect(search(picture, makes, 'LO')).toEqual(['load']);
  expect(search(picture, makes, 'merge')).toEqual(['join']);
  expect(search(picture, makes, ' ')).toEqual([]);
  expect(search(picture, makes, '.*')).toEqual([]);
});
