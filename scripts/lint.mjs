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
// As others will see them: the package's manifest, and its types by every way of resolving them that an ES module has.
const { packed, stageLibrary } = await import("./pack.mjs");
const tarball = packed(stageLibrary());
check("publint", installed("publint"), ["--strict", tarball]);
check("are the types wrong", installed("attw"), [tarball, ...["--profile", "esm-only", "--no-definitely-typed"]]);
check("documentation", process.execPath, ["scripts/docs.mjs"]);
if (output("cargo", ["deny", "--version"]) === undefined) {
  check("install cargo-deny", "cargo", ["install", "--locked", "cargo-deny", "--version", DENY]);
}
// Advisories are left out: they need a database from the network, and change without a change of ours.
check("cargo deny", "cargo", ["deny", "check", "licenses", "bans", "sources"]);

announce(failed.length === 0 ? "no complaints" : `complaints: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
