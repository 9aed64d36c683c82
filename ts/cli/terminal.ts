/**
 * Where the command writes: results to stdout, talk to stderr. It never asks anything.
 * Not here: what is said, and the progress display.
 */

import { styleText } from "node:util";

/** The global options that decide how the command talks. */
export interface Manner {
  json?: boolean;
  quiet?: boolean;
  verbose?: number;
  progress?: "auto" | "bar" | "plain" | "ndjson" | "none";
}

/** stdout and stderr with the user's wishes applied. */
export class Terminal {
  /** Results as one JSON value. */
  readonly json: boolean;
  /** 0 quiet, 1 normal, 2 and 3 with `-v` and `-vv`. */
  readonly verbosity: number;
  /** How progress is shown. */
  readonly progress: "bar" | "plain" | "ndjson" | "none";
  /** Width of the terminal, or 80. */
  readonly columns: number;
  readonly #color: boolean;

  constructor(manner: Manner) {
    this.json = manner.json ?? false;
    this.verbosity = manner.quiet ? 0 : 1 + (manner.verbose ?? 0);
    const asked = manner.progress ?? "auto";
    const automatic = process.stderr.isTTY ? "bar" : "plain";
    const chosen = asked === "auto" ? automatic : asked;
    // Somebody who wants silence and still names a display gets the display.
    this.progress = this.verbosity === 0 && asked === "auto" ? "none" : chosen;
    this.columns = process.stderr.columns || 80;
    this.#color = process.stderr.isTTY === true && !process.env["NO_COLOR"];
  }

  /** A line of the result, unless the result is JSON or silence was asked for. */
  result(line = ""): void {
    if (!this.json && this.verbosity > 0) process.stdout.write(`${line}\n`);
  }

  /** The result of a command that exists to print one, as `text` or, with `--json`, `value`. */
  data(value: unknown, text: () => string): void {
    process.stdout.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
  }

  /** Talk: shown from verbosity `least` on. */
  say(line: string, least = 1): void {
    if (this.verbosity >= least) this.raw(`${line}\n`);
  }

  /** A warning. */
  warn(line: string): void {
    this.say(`${this.style("yellow", "warning:")} ${line}`);
  }

  /** Straight to stderr. */
  raw(text: string): void {
    process.stderr.write(text);
  }

  /** Colour on a terminal, unless NO_COLOR is set. */
  style(color: "red" | "yellow" | "dim", text: string): string {
    return this.#color ? styleText(color, text, { validateStream: false }) : text;
  }
}
