/** Tests in a real browser, a lane of their own: `scripts/browser.mjs` runs them where there is one. */

import { fileURLToPath } from "node:url";
import config from "../../vitest.config.ts";

export default {
  ...config,
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: { ...config.test, include: ["test/browser/*.spec.ts"] },
};
