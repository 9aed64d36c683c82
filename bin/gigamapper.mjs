#!/usr/bin/env node
/** The command's entry. All of it is in ts/cli; this file only says plainly when it has not been built. */

import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  const { main: run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2));
} else {
  process.stderr.write("gigamapper is not built yet. In a clone of the project, run: npm run build\n");
  process.exitCode = 1;
}
