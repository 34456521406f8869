import { describe, expect, it } from 'vitest';
import { isComponent, isOurs, mark } from '../src/lab/tokens';

/** Returns each token as `kind text`. */
function parts(text: string): string[] {
  return mark(text).tokens.map(({ kind, from, to }) => `${kind} ${text.slice(from, to)}`);
}

describe('the parts of our lines', () => {
  it('are found in a whole header', () => {
    expect(parts('%%component split(flights, share: float = 0.2, df=load.df) -> train, test --cpus 2 --here\nx')).toEqual([
      'magic %%component',
      'name split',
      'input flights',
      'input share',
      'value float',
      'value 0.2',
      'input df',
      'value load.df',
      'arrow ->',
      'output train',
      'output test',
      'option --cpus',
      'value 2',
      'option --here'
    ]);
  });

  it('are found in a header that is half typed', () => {
    expect(parts('%%component')).toEqual(['magic %%component']);
    expect(parts('%%component fit(a, "(')).toEqual(['magic %%component', 'name fit', 'input a', 'input "(']);
    expect(parts('%%component fit ->')).toEqual(['magic %%component', 'name fit', 'arrow ->']);
    expect(parts("%%component f(s=')', t=[1, (2)])->x --salt='a")).toEqual([
      'magic %%component',
      'name f',
      'input s',
      "value ')'",
      'input t',
      'value [1, (2)]',
      'arrow ->',
      'output x',
      'option --salt',
      "value 'a"
    ]);
  });

  it('are found in comments and below another magic', () => {
    expect(parts('\n#| component: fit(a,\n#|   b) --cpus 2\nx = 1')).toEqual([
      'magic #| component:',
      'magic #|',
      'name fit',
      'input a',
      'input b',
      'option --cpus',
      'value 2'
    ]);
    expect(parts('%%time\n%%component fit\nx')).toEqual(['magic %%component', 'name fit']);
    expect(mark('%%time\n%%component fit\nx').lines).toEqual([7]);
    expect(parts('%%parameters\nseed = 7')).toEqual(['magic %%parameters']);
  });

  it('are found in lines of %pipeline', () => {
    expect(parts('x = 1\nrun = %pipeline run fit -p seed=8')).toEqual([
      'magic %pipeline',
      'name run',
      'value fit',
      'option -p',
      'value seed=8'
    ]);
  });

  it('lie where a browser counts them: characters beyond the first plane count twice', () => {
    const text = "%%component 𝒳(größe, b='𝒴') -> 𝒵\nx";
    expect(parts(text)).toEqual(['magic %%component', 'name 𝒳', 'input größe', 'input b', "value '𝒴'", 'arrow ->', 'output 𝒵']);
    expect(mark(text).tokens.map(({ from }) => from)).toEqual([0, 12, 15, 22, 24, 30, 33]);
    expect(mark('𝒳 = 1\n%pipeline show').tokens[0]).toEqual({ kind: 'magic', from: 7, to: 16 });
  });

  it('are found below lines without end', () => {
    const long = 200_000;
    for (const text of [' '.repeat(long), `${'a, '.repeat(long)}b`, `%%component f(${'('.repeat(long)}`, `%pipeline ${'-'.repeat(long)}`]) {
      expect(mark(`${text}\n%pipeline show`).tokens.at(-1)).toMatchObject({ kind: 'name' });
    }
  });

  it('are not looked for in other cells', () => {
    for (const text of ['', 'x = 1', '%%components a', '# %%component a', '%%time\nx = 1\n%%component a', '%pipelines']) {
      expect(mark(text)).toEqual({ lines: [], tokens: [] });
      expect(isComponent(text)).toBe(false);
      expect(isOurs(text)).toBe(false);
    }
    for (const text of ['%%component a', '%%parameters\nx = 1', 'x = 1\nrun = %pipeline run', '  %pipeline']) {
      expect(isOurs(text)).toBe(true);
    }
    expect(isComponent('  %%component a')).toBe(true);
    expect(isComponent('%%parameters\na = 1')).toBe(false);
  });
});
