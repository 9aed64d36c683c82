/** `npm run lint`: formatting, lints, types, and what dependencies may be. All run, also when one fails. */

import { announce, cargoPlace, installed, output, prepare, tried } from "./toolchain.mjs";

const DENY = "0.20.2";

prepare();
const failed = [];
const check = (name, program, args) => {
  announce(name);
  if (!tried(program, args)) failed.push(name);
};

check("cargo fmt", "cargo", ["fmt", "--all", "--check"]);
check("cargo clippy", "cargo", ["clippy", "--workspace", "--all-targets", ...cargoPlace(), "--", "-D", "warnings"]);
check("biome", installed("biome"), ["ci", "--error-on-warnings"]);
check("tsc", installed("tsc"), ["-b"]);
if (output("cargo", ["deny", "--version"]) === undefined) {
  check("install cargo-deny", "cargo", ["install", "--locked", "cargo-deny", "--version", DENY]);
}
// Advisories are left out: they need a database from the network, and change without a change of ours.
check("cargo deny", "cargo", ["deny", "check", "licenses", "bans", "sources"]);

announce(failed.length === 0 ? "no complaints" : `complaints: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
