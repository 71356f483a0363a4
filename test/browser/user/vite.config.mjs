// Somebody's project that bundles the library, as docs/LIBRARY.md says. Only the alias stands for the installed package.
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  resolve: { alias: { 'diskloom/web': resolve('dist/web/index.mjs') } },
  worker: { format: 'es' },
  build: { outDir: resolve('build/library-bundled'), emptyOutDir: true },
});
