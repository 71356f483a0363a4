import { defineConfig } from '@playwright/test';

/** The built page and library in Debian's Chromium; "npm run build" comes first. */
export default defineConfig({
  testDir: 'test/browser',
  timeout: 60_000,
  workers: 1,
  forbidOnly: true,
  globalSetup: './test/browser/build-user.ts',
  reporter: 'list',
});
