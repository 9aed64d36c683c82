/** What a number was measured on. */

import { readFileSync } from "node:fs";
import os from "node:os";
import { output } from "../../scripts/toolchain.mjs";

/** Facts of the machine, the tools and the state of the project. */
export async function machine(library) {
  const doctor = await library.doctor();
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const changed = output("git", ["status", "--porcelain", "--untracked-files=no"]);
  return {
    cpu: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    tile: doctor.cpu.tile,
    load: os.loadavg().map((load) => Math.round(load * 100) / 100),
    node: process.version,
    rustc: output("rustc", ["--version"]) ?? null,
    gigamapper: version,
    commit: output("git", ["rev-parse", "--short", "HEAD"]) ?? null,
    uncommittedChanges: changed === undefined ? null : changed !== "",
  };
}
