/**
 * The core as a WebAssembly module, and the JavaScript that loads it: `dist/wasm/glue_bg.wasm`, `glue.js` and `glue.d.ts`. The crates, the
 * compiler and wasm-bindgen are pinned, and no path of a machine gets into the module, so the same sources give the same bytes.
 *
 *     node scripts/wasm.mjs
 */

import { mkdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { announce, cargoFolder, cargoPlace, hasTarget, root, run } from "./toolchain.mjs";

const WASM = "wasm32-unknown-unknown";
const FOLDER = join(root, "dist", "wasm");

/** Builds the module; says what is missing and returns false where the compiler has no such target. Then there is none: one of before is none of this. */
export function wasm() {
  announce("WebAssembly");
  if (!hasTarget(WASM)) {
    process.stdout.write(
      `SKIPPED: gigamapper/wasm, because rustup has no ${WASM} for this toolchain (rustup target add ${WASM}).\n`,
    );
    for (const name of ["glue_bg.wasm", "glue_bg.wasm.d.ts", "glue.js", "glue.d.ts"])
      rmSync(join(FOLDER, name), { force: true });
    return false;
  }
  const home = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  const flags = ["-Ctarget-feature=+simd128", `--remap-path-prefix=${home}=cargo`, `--remap-path-prefix=${root}=.`];
  const compiled = ["build", "--package", "gigamapper-wasm", "--profile", "wasm", "--target", WASM];
  run("cargo", compiled, { CARGO_ENCODED_RUSTFLAGS: flags.join("\u001f") });
  mkdirSync(FOLDER, { recursive: true });
  const module = join(cargoFolder(), WASM, "wasm", "gigamapper_wasm.wasm");
  const glue = ["run", "--quiet", "--package", "gigamapper-wasm-glue", ...cargoPlace()];
  run("cargo", [...glue, "--", module, FOLDER, "glue"]);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) wasm();
