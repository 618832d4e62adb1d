/** The tests of both folders of TypeScript run here, and share the packages that are installed here. */

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const packages = fileURLToPath(new URL('node_modules/', import.meta.url));

export default defineConfig({
  resolve: { alias: [{ find: /^(vitest)$/, replacement: `${packages}$1` }] },
  server: { fs: { allow: ['..'] } },
  test: { dir: '..', include: ['widget/tests/**/*.test.ts', 'reader/tests/**/*.test.ts'] },
});
