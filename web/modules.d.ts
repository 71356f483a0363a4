/** Modules that only the build knows. */
/// <reference types="vite-plugin-pwa/client" />

declare module '*.css';
