/// <reference types="vitest/config" />
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { build, defineConfig, type InlineConfig, type Plugin, type Rolldown, type UserConfig } from 'vite';
import { type ManifestOptions, VitePWA } from 'vite-plugin-pwa';

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

/** Node's own modules that most commands never touch; loading them takes as long as an `info` does. */
const LATE_BUILTINS = ['crypto', 'module', 'net', 'os', 'stream', 'v8', 'worker_threads', 'zlib'];

/**
 * A program that a script starts thousands of times must start fast: built-in modules are loaded when something of them is
 * first used, and the text is ASCII, which V8 reads a byte a character.
 */
function quickStart(): Plugin {
  const late = new RegExp(`^let (\\w+) = require\\("node:(${LATE_BUILTINS.join('|')})"\\);$`, 'gm');
  const get = '(_, key) => process.getBuiltinModule(name)[key]';
  return {
    name: 'quick-start',
    renderChunk: (code) =>
      `const late = (name) => new Proxy({}, { get: ${get} });\n${code.replace(late, 'const $1 = late("node:$2");')}`,
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        file.code = file.code.replace(/[\u0080-\uffff]/g, (unit) => {
          const hex = unit.charCodeAt(0).toString(16).padStart(4, '0');
          return `\\u${hex}`;
        });
      }
    },
  };
}

/** Without comments and spaces; the names stay, for the sake of stack traces. */
const COMPACT = { compress: true, mangle: false, codegen: { removeWhitespace: true } } as const;

/** A bundle for Node: one file, nothing external but Node itself and koffi, which is optional and native. */
function nodeBundle(entry: string, file: string, format: 'cjs' | 'es', outDir = 'dist') {
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
  } satisfies UserConfig;
}

/** All that the program does, in one file. */
function program(): InlineConfig {
  const { plugins = [], build: target, ...bundle } = nodeBundle('src/cli/main.ts', 'program.cjs', 'cjs');
  const { output } = target.rolldownOptions;
  const options = { ...target, write: false, rolldownOptions: { output: { ...output, minify: COMPACT } } };
  return { ...bundle, configFile: false, logLevel: 'error', plugins: [...plugins, quickStart()], build: options };
}

/** The text of a function that is the program, and the name of its code cache, which scripts/code-cache.mjs makes. */
async function programText(): Promise<string> {
  const { output } = (await build(program())) as Rolldown.RolldownOutput;
  const text = `(function (require, __filename) {${output[0].code}\n})`;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `export default ${JSON.stringify(text)}; export const cacheName = 'cli.${digest}.cache';`;
}

/** The command: CommonJS, which starts faster than a module, and `dist` says that it is. `virtual:program` is the rest. */
function command(): UserConfig {
  const { plugins = [], ...bundle } = nodeBundle('src/cli/start.ts', 'cli.js', 'cjs');
  const parts: Plugin = {
    name: 'command',
    resolveId: (id) => (id === 'virtual:program' ? `\0${id}` : undefined),
    load: (id) => (id === '\0virtual:program' ? programText() : undefined),
    renderChunk: (code) => `#!/usr/bin/env node\n${code}`,
    writeBundle: ({ dir = 'dist' }) => writeFileSync(`${dir}/package.json`, '{ "type": "commonjs" }\n'),
  };
  return { ...bundle, plugins: [...plugins, parts] };
}

/** What drivers can do that nobody can ask for in a browser; an absent method means that it is not supported. */
const NOT_IN_BROWSERS = ['measure', 'edit', 'amendOptions', 'amend', 'editBitmaps', 'check'];

/** Leaves out of the drivers what `diskloom/web` does not offer, and with it a fifth of the code. */
function convertingOnly(): Plugin {
  return {
    name: 'converting-only',
    enforce: 'post',
    transform(code, id) {
      if (!/\/src\/formats\/\w+\/index\.ts$/.test(id)) return undefined;
      let shorter = code;
      for (const node of this.parse(code).body.toReversed()) {
        const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : null;
        const value = declaration?.type === 'VariableDeclaration' ? declaration.declarations[0]?.init : null;
        if (value?.type !== 'ObjectExpression') continue;
        for (const property of value.properties.toReversed()) {
          if (property.type !== 'Property' || property.key.type !== 'Identifier') continue;
          if (!NOT_IN_BROWSERS.includes(property.key.name)) continue;
          shorter = shorter.slice(0, property.start) + shorter.slice(property.end).replace(/^,/, '');
        }
      }
      return { code: shorter, map: null };
    },
  };
}

/** What the page and the browser library share: addresses relative to the file that names them, assets as files. */
function webBundle(outDir: string): UserConfig {
  return {
    base: './',
    worker: { format: 'es', plugins: () => [convertingOnly()] },
    build: { outDir, emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0, modulePreload: false },
  };
}

/** What the page may do, whatever host it is on; scripts/serve.mjs and the service worker say it in a header too. */
const POLICY = (JSON.parse(readFileSync('web/content-policy.json', 'utf8')).page as string[]).join('; ');

/** Puts the policy into the built page; in development Vite needs more than it allows. */
function contentPolicy(): Plugin {
  return {
    name: 'content-policy',
    apply: 'build',
    transformIndexHtml: () => [
      { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: POLICY }, injectTo: 'head-prepend' },
    ],
  };
}

/** Endings by which the system offers files to the installed page. */
const IMAGE_ENDINGS = [
  '.qcow2',
  '.qcow',
  '.qed',
  '.vdi',
  '.vhd',
  '.vhdx',
  '.vmdk',
  '.hdd',
  '.hds',
  '.dmg',
  '.img',
  '.raw',
  '.luks',
  '.ova',
];

const MANIFEST: Partial<ManifestOptions> = {
  id: './',
  name: 'diskloom',
  short_name: 'diskloom',
  description: 'Converts virtual-disk images on your own machine, also offline.',
  start_url: './',
  scope: './',
  display: 'standalone',
  background_color: '#f7f7f4',
  theme_color: '#f7f7f4',
  categories: ['utilities', 'developer'],
  icons: [
    { src: 'icon.svg', sizes: 'any', type: 'image/svg+xml' },
    { src: 'icon-192.png', sizes: '192x192', type: 'image/png' },
    { src: 'icon-512.png', sizes: '512x512', type: 'image/png' },
    { src: 'icon-maskable.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
  ],
  file_handlers: [{ action: './', accept: { 'application/x-virtual-disk': IMAGE_ENDINGS } }],
  launch_handler: { client_mode: ['focus-existing', 'auto'] },
};

/** The page: index.html and all that it needs, for any static host; installable, and complete without a network. */
function webApp(): UserConfig {
  const pwa = VitePWA({
    strategies: 'injectManifest',
    srcDir: '.',
    filename: 'service-worker.ts',
    registerType: 'prompt',
    injectRegister: false,
    manifest: MANIFEST,
    includeManifestIcons: false,
    injectManifest: { globPatterns: ['**/*.{html,js,css,wasm,svg,png,webmanifest}'] },
  });
  return { ...webBundle('../dist/web-app'), root: 'web', plugins: [contentPolicy(), pwa] };
}

/**
 * Leaves the references to workers and kernels in the library as `new URL('./name', import.meta.url)`, the form that
 * browsers run as it is and that the bundlers of its users know how to follow; puts the kernels beside it.
 */
function plainReferences(): Plugin {
  return {
    name: 'plain-references',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('/src/platform/web/')) return undefined;
      return code
        .replace(/new URL\('\.\/([\w-]+)\.ts'/g, "new URL(/* @vite-ignore */ './$1.mjs'")
        .replace(/new URL\('(?:\.\.\/)+build\/([\w-]+\.wasm)'/g, "new URL(/* @vite-ignore */ './$1'");
    },
    // Vite leaves alone what is marked so; the users' bundlers must not.
    renderChunk: (code) => code.replaceAll('/* @vite-ignore */', ''),
    buildStart() {
      for (const fileName of ['kernels.wasm', 'kernels-shared.wasm'])
        this.emitFile({ type: 'asset', fileName, source: readFileSync(`build/${fileName}`) });
    },
  };
}

/** `diskloom/web`: modules and kernels in one folder, fetched when they are needed. */
function webLibrary(): UserConfig {
  const { build, ...config } = webBundle('dist/web');
  const names = ['index', 'engine-worker', 'kernel-worker', 'remote-worker'];
  const input = Object.fromEntries(names.map((name) => [name, `src/platform/web/${name}.ts`]));
  const output = { entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' };
  return {
    ...config,
    plugins: [plainReferences(), convertingOnly()],
    build: { ...build, minify: false, rolldownOptions: { input, output, preserveEntrySignatures: 'strict' } },
  };
}

const targets: Record<string, () => UserConfig> = {
  worker: () => nodeBundle('src/platform/node/kernel-worker.ts', 'kernel-worker.cjs', 'cjs', 'build'),
  cli: command,
  manual: () => nodeBundle('src/cli/manual/main.ts', 'manual.mjs', 'es', 'build'),
  node: () => nodeBundle('src/platform/node/index.ts', 'node.mjs', 'es'),
  'web-library': webLibrary,
  web: webApp,
  fuzz: () => nodeBundle('test/fuzz/child.ts', 'fuzz.mjs', 'es', 'build'),
};

export default defineConfig(({ mode }) => {
  const target = targets[mode];
  if (target !== undefined) return target();
  return {
    plugins: [embedded()],
    test: {
      // Some minutes and some gigabytes of disk: `npm run test:slow`.
      include: [mode === 'slow' ? 'test/slow/**/*.test.ts' : 'test/**/*.test.ts'],
      exclude: ['test/browser/**', ...(mode === 'slow' ? [] : ['test/slow/**'])],
      // Most of a test's time is waiting for programs.
      maxWorkers: availableParallelism(),
      testTimeout: 240_000,
      hookTimeout: 240_000,
    },
  };
});
