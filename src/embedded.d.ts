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
  /** A function of `require` and `__filename`. */
  const code: string;
  export default code;
  /** Name of the file beside the program in which its code cache may be. */
  export const cacheName: string;
}
