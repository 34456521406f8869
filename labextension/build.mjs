// Builds what the wheel ships: the graph's module and the JupyterLab extension, each with a mark of the sources.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build, transform } from 'esbuild';

const sources = [
  ...['build.mjs', 'package-lock.json', 'package.json', 'tsconfig.json'],
  ...readdirSync('schema').map(name => `schema/${name}`),
  ...readdirSync('src', { recursive: true })
    .filter(name => /\.\w+$/.test(name))
    .map(name => `src/${name.replaceAll('\\', '/')}`)
];
const hash = createHash('sha256');
for (const path of sources.sort()) {
  hash.update(`${path}\0${readFileSync(path, 'utf8').replaceAll('\r\n', '\n')}\0`);
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
const digest = hash.digest('hex');

/** Parts of our own classes that neither the kernel nor the page knows by name: the bundler shortens them, as it does `#names`. */
const OWN = [
  ...['actions', 'ask', 'centreOn', 'chosen', 'current', 'dispose', 'edges', 'finds', 'focused', 'folds', 'frames', 'goNear', 'goOn'],
  ...['hideTip', 'isCritical', 'isHollow', 'isMoved', 'isOf', 'isOnButton', 'kept', 'leave', 'node', 'nodes', 'opened', 'paint'],
  ...['picture', 'reveal', 'roots', 'scan', 'setOpened', 'showLines', 'showStep', 'stage', 'startHeight', 'view', 'viewport']
];

async function bundle(entry, external) {
  const isGraph = external.length === 0;
  const built = await build({
    entryPoints: [entry],
    external,
    bundle: true,
    minify: isGraph,
    ...(isGraph ? { mangleProps: new RegExp(`^(?:${OWN.join('|')})$`) } : {}),
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    loader: { '.svg': 'text' },
    plugins: [style],
    legalComments: 'none',
    outdir: 'lib',
    write: !isGraph
  });
  return built.outputFiles?.[0].text;
}

const graph = '../jupyter_mlpipe/static/graph.js';
writeFileSync(graph, `// sources ${digest}\n${await bundle('src/index.ts', [])}`);
console.log(`${graph}: ${readFileSync(graph).length} bytes`);

// What JupyterLab has itself is shared with it: the builder sees to that.
const lab = 'built';
await bundle('src/lab/plugin.ts', ['@jupyterlab/*', '@lumino/*', '@codemirror/*', '@lezer/*']);
rmSync(lab, { recursive: true, force: true });
const builder = 'node_modules/@jupyter/builder/lib/build-labextension.js';
const core = 'node_modules/@jupyterlab/core-meta/core.package.json';
execFileSync(process.execPath, [builder, '--core-package-file', core, '.'], { stdio: ['ignore', 'ignore', 'inherit'] });
writeFileSync(`${lab}/sources`, `${digest}\n`);
console.log(`${lab}: ${readdirSync(`${lab}/static`).join(', ')}`);
