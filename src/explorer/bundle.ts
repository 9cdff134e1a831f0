/** Bundles the explorer into src/generated/explorer, whole: page, editor, workers and fonts. */
import { cp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

const fileOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { resolve } = createRequire(import.meta.url);
const outdir = fileOf('../generated/explorer');

const common: BuildOptions = {
  bundle: true,
  minify: true,
  outdir,
  target: 'es2022',
  define: { 'process.env.NODE_ENV': '"production"' },
  legalComments: 'none',
  logLevel: 'error',
};

await rm(outdir, { recursive: true, force: true });
await Promise.all([
  build({
    ...common,
    entryPoints: [fileOf('explorer.jsx')],
    format: 'esm',
    splitting: true,
    jsx: 'automatic',
    loader: { '.ttf': 'file' },
  }),
  // The editor's workers are programs of their own.
  build({
    ...common,
    entryPoints: {
      'editor.worker': resolve('monaco-editor/esm/vs/editor/editor.worker.js'),
      'json.worker': resolve('monaco-editor/esm/vs/language/json/json.worker.js'),
      'graphql.worker': resolve('monaco-graphql/esm/graphql.worker'),
    },
    format: 'iife',
  }),
]);
await cp(fileOf('index.html'), `${outdir}/index.html`);
