/** Tests run against what is shipped: the compiled library and the built addon, by the package's own name. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^gigamapper$/, replacement: fileURLToPath(new URL("./dist/index.js", import.meta.url)) },
      { find: /^gigamapper\/arrow$/, replacement: fileURLToPath(new URL("./dist/arrow.js", import.meta.url)) },
      { find: /^gigamapper\/wasm$/, replacement: fileURLToPath(new URL("./dist/wasm/index.js", import.meta.url)) },
      { find: /^gigamapper\/zarr$/, replacement: fileURLToPath(new URL("./dist/zarr.js", import.meta.url)) },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Where the module could not be built, scripts/wasm.mjs has said so.
    exclude: existsSync(new URL("./dist/wasm/glue_bg.wasm", import.meta.url))
      ? []
      : ["test/wasm*.test.ts", "test/published.test.ts"],
    // Addons and signals belong to a process of their own.
    pool: "forks",
    // One machine-wide budget of cores: mapping is parallel by itself.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
