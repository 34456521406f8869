// Builds the module that the wheel ships, with a mark of the sources that it was built from.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { build, transform } from 'esbuild';

const sources = readdirSync('src').sort().map(name => `src/${name}`);
const digest = createHash('sha256');
for (const path of ['package-lock.json', 'tsconfig.json', 'build.mjs', ...sources]) {
  digest.update(`${path}\0${readFileSync(path, 'utf8').replaceAll('\r\n', '\n')}\0`);
}
/** Style sheets are text in the module, as small as they get. */
const style = {
  name: 'style',
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, 'utf8'), { loader: 'css', minify: true, target: 'es2022' });
      return { contents: code, loader: 'text' };
    });
  }
};
const out = '../jupyter_mlpipe/static/graph.js';
const built = await build({
  entryPoints: ['src/index.ts'],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  plugins: [style],
  legalComments: 'none',
  write: false
});
const text = built.outputFiles[0].text;
writeFileSync(out, `// sources ${digest.digest('hex')}\n${text}`);
console.log(`${out}: ${Buffer.byteLength(text)} bytes`);
