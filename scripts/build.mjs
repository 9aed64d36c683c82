/** Builds the addon and the library into dist/. Both tools keep what is up to date. */

import { fileURLToPath } from "node:url";
import { announce, installed, prepare, run, target } from "./toolchain.mjs";
import { wasm } from "./wasm.mjs";

/** Sets up and builds; without `browser`, no WebAssembly. */
export function build({ browser = true } = {}) {
  prepare();
  announce("addon");
  run(installed("napi"), [
    ...["build", "--platform", "--release", "--target", target()],
    ...["--manifest-path", "crates/node-binding/Cargo.toml"],
    // ts/native.ts finds the file; napi's own loader looks in other places and says less.
    ...["--output-dir", "dist/native", "--no-js", "--dts", "native.d.ts"],
  ]);
  if (browser) wasm();
  announce("library");
  run(installed("tsc"), ["-b"]);
  run(process.execPath, ["scripts/schema.mjs"]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
