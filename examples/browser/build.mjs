/**
 * Bundles the page into a folder that any static server can serve: `node examples/browser/build.mjs [FOLDER]`, by default
 * `.cache/browser`. Needs `npm run build` before.
 */

import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");

/** Makes the folder. */
export async function page(folder = join(root, ".cache/browser")) {
  const module = join(root, "dist/wasm/glue_bg.wasm");
  if (!existsSync(module)) throw new Error("gigamapper/wasm is not built: npm run build says what it needs");
  mkdirSync(folder, { recursive: true });
  const bundle = await rolldown({
    input: { page: join(here, "source/page.ts"), worker: join(here, "source/worker.ts") },
    platform: "browser",
    resolve: { alias: { "gigamapper/wasm": join(root, "dist/wasm/index.js") } },
    // The worker is an entry of its own, beside the page.
    external: [/worker\.js$/, "worker_threads"],
    logLevel: "warn",
  });
  await bundle.write({ dir: folder, format: "es", entryFileNames: "[name].js", chunkFileNames: "[name].js" });
  await bundle.close();
  for (const name of ["index.html", "page.css"]) copyFileSync(join(here, name), join(folder, name));
  copyFileSync(module, join(folder, "glue_bg.wasm"));
  return folder;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await page(process.argv[2])}\n`);
