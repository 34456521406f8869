/**
 * The parts of our lines in a cell, for colour alone: plain tokens. What a header means, and what is wrong
 * with it, only the kernel says.
 */

export type Kind = 'magic' | 'name' | 'input' | 'arrow' | 'output' | 'option' | 'value';

export interface Token {
  kind: Kind;
  from: number;
  to: number;
}

export interface Marked {
  /** Where lines that are ours begin. */
  lines: number[];
  tokens: Token[];
}

const WORD = /[^\s]+/g;
// A name first: blanks that either part could take would be tried again and again.
const PIPELINE = /^(\s*(?:\w[\w, ]*=\s*)?)(%pipeline)(?!\w)(.*)$/;

/** Tells whether a cell has our line, in either form. */
export function isComponent(text: string): boolean {
  return headerOf(text)?.kind === 'component';
}

/** Tells whether the kernel has anything to say of a cell. */
export function isOurs(text: string): boolean {
  return headerOf(text) !== null || (text.includes('%pipeline') && text.split('\n').some(line => PIPELINE.test(line)));
}

/** Returns the parts of the lines of a cell that are ours. */
export function mark(text: string): Marked {
  const marked: Marked = { lines: [], tokens: [] };
  const header = headerOf(text);
  for (const line of header?.lines ?? []) {
    marked.lines.push(line.start);
    marked.tokens.push({ kind: 'magic', from: line.start + line.indent, to: line.start + line.begin });
  }
  if (header?.kind === 'component') {
    tokenize(header.lines, text, marked.tokens);
  }
  if (text.includes('%pipeline')) {
    markPipeline(text, marked);
  }
  return marked;
}

interface Line {
  start: number;
  /** Offsets in the line: of our word, and of what follows it. */
  indent: number;
  begin: number;
  end: number;
}

interface Header {
  kind: 'component' | 'parameters';
  lines: Line[];
}

function headerOf(text: string): Header | null {
  let start = 0;
  for (const line of text.split('\n')) {
    const magic = /^(\s*)(%%(component|parameters))(?!\w)/.exec(line);
    if (magic) {
      const kind = magic[3] === 'component' ? 'component' : 'parameters';
      const indent = magic[1]?.length ?? 0;
      return { kind, lines: [{ start, indent, begin: magic[0].length, end: line.trimEnd().length }] };
    }
    if (/^\s*#\|\s*component\s*:/.test(line)) {
      return { kind: 'component', lines: commentLines(text, start) };
    }
    if (line.trim() && !/^%%\w/.test(line)) {
      return null;
    }
    start += line.length + 1;
  }
  return null;
}

function commentLines(text: string, first: number): Line[] {
  const lines: Line[] = [];
  let start = first;
  for (const line of text.slice(first).split('\n')) {
    const begin = (lines.length ? /^\s*#\|/ : /^\s*#\|\s*component\s*:/).exec(line);
    if (!begin) {
      break;
    }
    lines.push({ start, indent: line.search(/\S/), begin: begin[0].length, end: line.trimEnd().length });
    start += line.length + 1;
  }
  return lines;
}

/** Adds the tokens of a header: `NAME[(inputs)] [-> outputs] [options]`. */
function tokenize(lines: Line[], text: string, tokens: Token[]): void {
  // One text with the same offsets, in which all that is not of the header is blank.
  let header = '';
  for (const line of lines) {
    header = header.padEnd(line.start + line.begin) + text.slice(line.start + line.begin, line.start + line.end);
  }
  const name = /[^\s(]+/.exec(header);
  if (!name || name[0].startsWith('-')) {
    return;
  }
  let at = name.index + name[0].length;
  tokens.push({ kind: 'name', from: name.index, to: at });
  const open = /^\s*\(/.exec(header.slice(at));
  if (open) {
    at = inputs(header, at + open[0].length, tokens);
  }
  let kind: Kind = 'value';
  for (const word of header.slice(at).matchAll(WORD)) {
    let from = at + word.index;
    const to = from + word[0].length;
    if (word[0].startsWith('->')) {
      tokens.push({ kind: 'arrow', from, to: from + 2 });
      from += 2;
      kind = 'output';
    } else if (word[0].startsWith('--')) {
      const equals = word[0].indexOf('=');
      const end = equals < 0 ? to : from + equals;
      tokens.push({ kind: 'option', from, to: end });
      from = equals < 0 ? to : end + 1;
      kind = 'value';
    }
    if (kind === 'value') {
      if (from < to) {
        tokens.push({ kind, from, to });
      }
    } else {
      for (const output of header.slice(from, to).matchAll(/[^,()]+/g)) {
        tokens.push({ kind, from: from + output.index, to: from + output.index + output[0].length });
      }
    }
  }
}

/** Adds the inputs of a signature from behind its bracket on; returns where it ends. */
function inputs(header: string, start: number, tokens: Token[]): number {
  let depth = 1;
  let quote = '';
  let part: Kind | null = 'input';
  let from = start;
  const end = (to: number): void => {
    const text = header.slice(from, to);
    const blank = text.length - text.trimStart().length;
    if (part && text.trim()) {
      tokens.push({ kind: part, from: from + blank, to: from + text.trimEnd().length });
    }
  };
  for (let at = start; at < header.length; at += 1) {
    const sign = header[at] ?? '';
    if (quote) {
      at += sign === '\\' ? 1 : 0;
      quote = sign === quote ? '' : quote;
    } else if (sign === '"' || sign === "'") {
      quote = sign;
    } else if ('([{'.includes(sign)) {
      depth += 1;
    } else if (')]}'.includes(sign)) {
      depth -= 1;
      if (depth === 0) {
        end(at);
        return at + 1;
      }
    } else if (depth === 1 && (sign === ',' || sign === ':' || sign === '=')) {
      end(at);
      part = sign === ',' ? 'input' : 'value';
      from = at + 1;
    }
  }
  end(header.length);
  return header.length;
}

function markPipeline(text: string, marked: Marked): void {
  let start = 0;
  for (const line of text.split('\n')) {
    const match = PIPELINE.exec(line);
    if (match) {
      const from = start + (match[1]?.length ?? 0);
      const behind = from + '%pipeline'.length;
      marked.tokens.push({ kind: 'magic', from, to: behind });
      let kind: Kind = 'name';
      for (const word of (match[3] ?? '').matchAll(WORD)) {
        const at = behind + word.index;
        const isOption = word[0].startsWith('-');
        marked.tokens.push({ kind: isOption ? 'option' : kind, from: at, to: at + word[0].length });
        kind = 'value';
      }
    }
    start += line.length + 1;
  }
}
