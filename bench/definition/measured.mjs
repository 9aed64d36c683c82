/**
 * One run of a request in a process of its own: seconds from start to exit, what the program says, and the most anonymous memory that the
 * system saw. Bytes read are those that calls asked for, and those that came from a disk: a map of a file, and what the page cache has, tell them apart.
 */

import { spawn } from "node:child_process";
import { existsSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { output } from "../../scripts/toolchain.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const SAMPLED_MS = 20;

/** The machine's target, as cargo calls it. */
const host = () => /^host: (.*)$/m.exec(output("rustc", ["-vV"]) ?? "")?.[1];

/** The program that carries a request out with the core alone; `undefined` where nobody has built it. */
export function coreProgram() {
  const target = host();
  const path = target && join(root, "target", target, "release", "examples", "run_request");
  return path && existsSync(path) ? path : undefined;
}

/** The words that start a request on one side: `typescript` or `rust`. */
function command(side, verb, file) {
  if (side === "typescript") return [process.execPath, [join(here, "library_request.mjs"), verb, file]];
  const program = coreProgram();
  if (!program) {
    const build = "cargo build --release --target TARGET -p gigamapper-core --example run_request";
    throw new Error(`the Rust side is not built: ${build}, or --sides typescript`);
  }
  return [program, [verb, file]];
}

/** Carries a request out. Also samples the free bytes of the output's file system: what a run takes on disk at its most. */
export async function measured(side, verb, request, folder) {
  const file = join(folder, `${side}-request.json`);
  writeFileSync(file, JSON.stringify(request));
  const [program, words] = command(side, verb, file);
  const free = () => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  const before = free();
  let [peak, least] = [0, before];
  let bytesRead;
  const began = performance.now();
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.kill();
  // Before whatever else is done at the end: the folder that it writes to may go.
  process.prependOnceListener("exit", stop);
  let printed = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
  });
  const sampling = setInterval(() => {
    least = Math.min(least, free());
    try {
      const line = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      peak = Math.max(peak, Number(line?.[1] ?? 0) * 1024);
      const [, called, fetched] = /^rchar: (\d+)[\s\S]*^read_bytes: (\d+)$/m.exec(
        readFileSync(`/proc/${child.pid}/io`, "utf8"),
      );
      bytesRead = { called: Number(called), fetched: Number(fetched) };
    } catch {
      // The process is gone, or this is no Linux: its end is noticed below, and neither peak nor bytes are told.
    }
  }, SAMPLED_MS);
  const code = await new Promise((done, failed) => child.on("close", done).on("error", failed));
  clearInterval(sampling);
  process.off("exit", stop);
  const whole = (performance.now() - began) / 1000;
  if (code !== 0) throw new Error(`${verb} by ${side} exited with ${code}`);
  const { report, seconds } = JSON.parse(printed);
  return { side, report, seconds, whole, peak: peak || undefined, diskPeak: before - least, bytesRead };
}
