/// <reference types="vitest/config" />
import { existsSync, readFileSync } from 'node:fs';
import { defineConfig, type Plugin, type UserConfig } from 'vite';

/**
 * Node's bundles are single files: the wasm module and the worker's code travel inside them, as text.
 * `virtual:kernels-wasm` is the shared-memory build in base64, `virtual:kernel-worker` the worker's bundle.
 */
function embedded(): Plugin {
  const files: Record<string, { path: string; encoding: 'base64' | 'utf8' }> = {
    'virtual:kernels-wasm': { path: 'build/kernels-shared.wasm', encoding: 'base64' },
    'virtual:kernel-worker': { path: 'build/kernel-worker.cjs', encoding: 'utf8' },
  };
  return {
    name: 'embedded',
    resolveId: (id) => (id in files ? `\0${id}` : undefined),
    load(id) {
      const file = files[id.slice(1)];
      if (!id.startsWith('\0') || file === undefined) return undefined;
      if (!existsSync(file.path)) throw new Error(`${file.path} is missing: run "npm run build:kernels"`);
      return `export default ${JSON.stringify(readFileSync(file.path, file.encoding))};`;
    },
  };
}

/** A bundle for Node: one file, nothing external but Node itself and koffi, which is optional and native. */
function nodeBundle(entry: string, file: string, format: 'cjs' | 'es', outDir = 'dist'): UserConfig {
  return {
    plugins: [embedded()],
    ssr: { noExternal: true, external: ['koffi'], target: 'node' },
    build: {
      ssr: entry,
      outDir,
      emptyOutDir: false,
      target: 'node20',
      minify: false,
      rolldownOptions: { output: { format, entryFileNames: file, codeSplitting: false } },
    },
  };
}

const targets: Record<string, () => UserConfig> = {
  worker: () => nodeBundle('src/platform/node/kernel-worker.ts', 'kernel-worker.cjs', 'cjs', 'build'),
  cli: () => nodeBundle('src/cli/main.ts', 'cli.js', 'cjs'),
  node: () => nodeBundle('src/platform/node/index.ts', 'node.mjs', 'es'),
};

export default defineConfig(({ mode }) => {
  const target = targets[mode];
  if (target !== undefined) return target();
  return {
    plugins: [embedded()],
    test: {
      include: ['test/**/*.test.ts'],
      exclude: ['test/browser/**'],
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
  };
});
