/** What building does where a tool is missing. */

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { root, temporary } from "./folder.js";

it("leaves no module of before where none can be built, and says so", () => {
  const folder = temporary();
  for (const name of ["scripts", "dist/wasm"]) mkdirSync(join(folder, name), { recursive: true });
  for (const name of ["wasm.mjs", "toolchain.mjs"])
    copyFileSync(join(root, "scripts", name), join(folder, "scripts", name));
  for (const name of ["glue_bg.wasm", "glue.js", "index.js"]) writeFileSync(join(folder, "dist/wasm", name), "");
  const env = { PATH: join(folder, "nothing") };
  const { status, stdout } = spawnSync(process.execPath, ["scripts/wasm.mjs"], { cwd: folder, env, encoding: "utf8" });
  expect(stdout).toMatch(/SKIPPED: gigamapper\/wasm, because rustup has no wasm32-unknown-unknown/);
  expect(status).toBe(0);
  expect(readdirSync(join(folder, "dist/wasm"))).toEqual(["index.js"]);
  expect(existsSync(join(folder, "target"))).toBe(false);
});
