/** Runs the command as people do, in a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./folder.js";

/** What a finished command left. */
export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command that may still be running. */
export interface Started {
  child: ChildProcess;
  finished: Promise<Finished>;
}

/** Starts `gigamapper` with `args`; `onTalk` sees stderr as it comes. */
export function start(args: string[], onTalk: (text: string) => void = () => {}, cwd = root): Started {
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(process.execPath, [join(root, "bin/gigamapper.mjs"), ...args], { cwd, env });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    onTalk(text);
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, finished };
}

/** Runs `gigamapper` with `args` to its end. */
export function gigamapper(args: string[], cwd = root): Promise<Finished> {
  return start(args, () => {}, cwd).finished;
}
