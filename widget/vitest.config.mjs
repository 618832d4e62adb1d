/** The tests of all folders of TypeScript run here, and share the packages that are installed here. */

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const packages = fileURLToPath(new URL('node_modules/', import.meta.url));

export default defineConfig({
  resolve: { alias: [{ find: /^(vitest)$/, replacement: `${packages}$1` }] },
  server: { fs: { allow: ['..'] } },
  test: {
    dir: '..',
    // A machine that does something else besides is slow, and slowness is no fault that these tests look for.
    testTimeout: 60_000,
    include: ['widget/tests/**/*.test.ts', 'reader/tests/**/*.test.ts', 'extension/tests/**/*.test.ts'],
  },
});
