/**
 * Finds the tools that a clone needs and says plainly what is missing. Runs before node_modules exists, so it uses
 * nothing but Node itself. Not here: what is done with the tools.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the project. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const LEAST_NODE = [20, 19];

/** Ends the process with a sentence on stderr. */
export function stop(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** Says what is being done, apart from what the tools say. */
export function announce(what) {
  process.stdout.write(`\n=== ${what}\n`);
}

/** Runs a program from the root with its output shown; returns whether it succeeded. */
export function tried(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  if (error) process.stderr.write(`${program}: ${error.message}\n`);
  return status === 0;
}

/**
 * Starts a program beside whatever is done next. What it prints waits in a file, so that no lines of two programs mix; the function that
 * is returned waits for the program's end, shows what it printed, and returns whether it succeeded. A program ends with this process.
 */
export function beside(program, args, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), "gigamapper-beside-"));
  const path = join(folder, "output");
  const file = openSync(path, "w");
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", file, file], env: { ...process.env, ...env } });
  const ended = new Promise((done) => {
    child.once("error", (error) => done(`${program}: ${error.message}\n`));
    child.once("close", (status) => done(status));
  });
  process.once("exit", () => {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return async () => {
    const status = await ended;
    process.stdout.write(readFileSync(path));
    if (typeof status === "string") process.stderr.write(status);
    return status === 0;
  };
}

/** As {@link tried}, but a failure ends the process. */
export function run(program, args, env = {}) {
  if (!tried(program, args, env)) stop(`${program} ${args.join(" ")}: failed`);
}

/** What a program prints, or undefined if it cannot be run. */
export function output(program, args) {
  // What cargo says of all crates is longer than a megabyte.
  const { status, stdout } = spawnSync(program, args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 });
  return status === 0 ? stdout.trim() : undefined;
}

/** Path of a program that npm installed. */
export function installed(name) {
  return join(root, "node_modules", ".bin", name);
}

/** Checks Node and Rust, and installs node_modules where missing or older than the lock file. */
export function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
    stop(`gigamapper needs Node ${LEAST_NODE.join(".")} or newer; this is ${process.versions.node}.`);
  }
  if (output("cargo", ["--version"]) === undefined) {
    stop(
      "gigamapper needs Rust: cargo was not found. Install it with rustup, which then fetches the pinned toolchain.",
    );
  }
  // npm writes this file last: where it is missing, an installation was broken off.
  const mark = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (!existsSync(mark) || statSync(mark).mtimeMs < statSync(lock).mtimeMs) {
    announce("npm ci");
    run("npm", ["ci", "--no-audit", "--no-fund"]);
  }
}

/**
 * What build and lints give to cargo. napi names the target, and cargo keeps a folder for each target named and each profile: with the
 * same two everywhere, dependencies are compiled once. Tests have a profile of their own (scripts/test.mjs).
 */
export function cargoPlace() {
  return ["--release", "--target", target()];
}

/** Whether the toolchain has a target, or can be given it. */
export function hasTarget(name) {
  return output("rustup", ["target", "add", name]) !== undefined;
}

/** Where cargo puts what it builds. */
export function cargoFolder() {
  return JSON.parse(output("cargo", ["metadata", "--no-deps", "--format-version=1"])).target_directory;
}

/** The target triple of this machine. */
export function target() {
  const host = /^host: (.+)$/m.exec(output("rustc", ["-vV"]) ?? "")?.[1];
  return host ?? stop("rustc does not say what machine this is: rustc -vV has no host line.");
}
