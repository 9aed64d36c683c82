/**
 * The core as a WebAssembly module, and the JavaScript that loads it: `dist/wasm/glue_bg.wasm`, `glue.js` and `glue.d.ts`. The crates, the
 * compiler and wasm-bindgen are pinned, and no path of a machine gets into the module, so the same sources give the same bytes.
 *
 *     node scripts/wasm.mjs             # builds, and says the digests of what was made
 *     node scripts/wasm.mjs twice       # the same, and once more from a copy of the sources in another folder: fails unless digests are equal
 */

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { announce, cargoFolder, cargoPlace, hasTarget, output, root, run, stop } from "./toolchain.mjs";

const WASM = "wasm32-unknown-unknown";
const FOLDER = join(root, "dist", "wasm");
/** What is published of what is made. */
const MADE = ["glue_bg.wasm", "glue.js"];
/** What the module is made from. */
const SOURCES = ["Cargo.lock", "Cargo.toml", "crates", "rust-toolchain.toml", "scripts"];

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
  const flags = [
    "-Ctarget-feature=+simd128",
    ...remapped().map(([path, name]) => `--remap-path-prefix=${path}=${name}`),
  ];
  const compiled = ["build", "--package", "gigamapper-wasm", "--profile", "wasm", "--target", WASM];
  run("cargo", compiled, { CARGO_ENCODED_RUSTFLAGS: flags.join("\u001f") });
  mkdirSync(FOLDER, { recursive: true });
  const module = join(cargoFolder(), WASM, "wasm", "gigamapper_wasm.wasm");
  const glue = ["run", "--quiet", "--package", "gigamapper-wasm-glue", ...cargoPlace()];
  run("cargo", [...glue, "--", module, FOLDER, "glue"]);
  for (const [name, digest] of Object.entries(digests(FOLDER))) process.stdout.write(`${name} ${digest}\n`);
  return true;
}

/** Paths of this machine that sources are compiled from, and what they are called instead. Of two that fit, rustc takes the later. */
function remapped() {
  const home = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  // Crates lie in a folder that is named after the registry they came from, which may be a mirror.
  output("cargo", ["fetch", "--locked", "--target", WASM]);
  const registries = join(home, "registry/src");
  const crates = existsSync(registries) ? readdirSync(registries) : [];
  // Where the sources of the standard library are installed, rustc names them by where they lie, and else by its commit.
  const commit = /^commit-hash: (.+)$/m.exec(output("rustc", ["-vV"]) ?? "")?.[1];
  const library = join(output("rustc", ["--print", "sysroot"]) ?? "", "lib/rustlib/src/rust");
  return [
    [home, "cargo"],
    ...crates.map((name) => [join(registries, name), "cargo/registry/src"]),
    [library, `/rustc/${commit}`],
    [root, "."],
    [cargoFolder(), "target"],
  ];
}

/** SHA-256 of each file that was made. */
function digests(folder) {
  const digest = (name) =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
  return Object.fromEntries(MADE.map((name) => [name, digest(name)]));
}

/** Builds again in another folder, with nothing of what was compiled here, and compares. */
function again() {
  const folder = mkdtempSync(join(tmpdir(), "gigamapper-elsewhere-"));
  try {
    for (const name of SOURCES) cpSync(join(root, name), join(folder, name), { recursive: true });
    run(process.execPath, [join(folder, "scripts/wasm.mjs")], { CARGO_TARGET_DIR: join(folder, "target") });
    const [here, there] = [digests(FOLDER), digests(join(folder, "dist/wasm"))];
    const other = MADE.filter((name) => here[name] !== there[name]);
    if (other.length > 0) stop(`other bytes from another folder: ${other.join(", ")}`);
    process.stdout.write("the same bytes from another folder\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (wasm() && process.argv[2] === "twice") again();
}
