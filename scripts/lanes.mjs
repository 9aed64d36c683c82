/**
 * The lanes of the distance tile that are not this machine's: as WebAssembly in Node, and for NEON under qemu. Each must come to the
 * digest that is written down in crates/tile-lanes. What a machine cannot build or run is skipped, aloud.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { announce, cargoFolder, hasTarget, output, root, target, tried } from "./toolchain.mjs";

const WASM = "wasm32-unknown-unknown";
const ARM = "aarch64-unknown-linux-gnu";
const PACKAGE = ["--package", "gigamapper-tile-lanes", "--release"];

/** Runs every lane that can be run; returns false only if one failed. */
export async function lanes() {
  const wasm = await simd128();
  return neon() && wasm;
}

/** The lanes of the WebAssembly module, by name, with its exported functions; undefined without a compiler for it. */
export async function module() {
  if (!hasTarget(WASM)) return undefined;
  const folder = join(cargoFolder(), WASM, "release");
  const flags = { RUSTFLAGS: "-C target-feature=+simd128" };
  if (!tried("cargo", ["build", ...PACKAGE, "--target", WASM], flags)) throw new Error("the module cannot be built");
  const { instance } = await WebAssembly.instantiate(readFileSync(join(folder, "gigamapper_tile_lanes.wasm")));
  const { memory, lanes, name, name_length } = instance.exports;
  const text = (lane) => new TextDecoder().decode(new Uint8Array(memory.buffer, name(lane), name_length(lane)));
  return { names: Array.from({ length: lanes() }, (_, lane) => text(lane)), exports: instance.exports };
}

async function simd128() {
  const built = await module();
  if (!built) return skipped("WebAssembly", `rustup has no ${WASM} for this toolchain`);
  const { names, exports } = built;
  const wrong = names.filter((_, lane) => exports.digest(lane) !== exports.expected());
  if (!names.includes("simd128")) wrong.push("simd128 (missing)");
  process.stdout.write(`lanes of WebAssembly: ${names.length} run, ${wrong.length} wrong ${wrong.join(", ")}\n`);
  return wrong.length === 0;
}

function neon() {
  if (target() === ARM) return true; // The tests of this machine have run it.
  if (process.platform !== "linux") return skipped("NEON", "qemu runs programs of Linux only");
  if (output("qemu-aarch64", ["--version"]) === undefined) return skipped("NEON", "qemu-aarch64 was not found");
  if (output("aarch64-linux-gnu-gcc", ["--version"]) === undefined) return skipped("NEON", "its linker was not found");
  if (!hasTarget(ARM)) return skipped("NEON", `rustup has no ${ARM} for this toolchain`);
  return tried("cargo", ["test", ...PACKAGE, "--target", ARM], {
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: "aarch64-linux-gnu-gcc",
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: "qemu-aarch64 -L /usr/aarch64-linux-gnu",
  });
}

function skipped(what, why) {
  process.stdout.write(`SKIPPED: the lane for ${what}, because ${why}.\n`);
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  announce("lanes");
  process.chdir(root);
  process.exitCode = (await lanes()) ? 0 : 1;
}
