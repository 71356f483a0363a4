/** The kernels' wasm module with shared memory, in base64; see vite.config.ts. */
declare module 'virtual:kernels-wasm' {
  const base64: string;
  export default base64;
}

/** The bundled code of the kernel worker; see vite.config.ts. */
declare module 'virtual:kernel-worker' {
  const code: string;
  export default code;
}

/** The bundled program behind `cli/start.ts`; see vite.config.ts. */
declare module 'virtual:program' {
  const code: string;
  export default code;
}
