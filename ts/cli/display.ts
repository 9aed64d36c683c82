/** Shows progress on stderr, as a bar, as lines, or as one JSON object a line. */

import type { ProgressEvent } from "../generated.js";
import { bytes, count, seconds } from "../sentence.js";
import type { Terminal } from "./terminal.js";

/** Lines are for logs: one at the begin and end of a stage that counts rows, and else one in ten seconds. */
const LINE_INTERVAL_MS = 10_000;
const BAR_WIDTH = 24;

/** A listener for progress events, and the end of the display. */
export interface Display {
  update(event: ProgressEvent): void;
  /** Leaves the cursor at the start of an empty line. */
  finish(): void;
}

/** The display that the user asked for. */
export function display(terminal: Terminal): Display {
  switch (terminal.progress) {
    case "bar":
      return bar(terminal);
    case "plain":
      return lines(terminal);
    case "ndjson":
      return { update: (event) => terminal.raw(`${JSON.stringify(event)}\n`), finish: () => {} };
    case "none":
      return { update: () => {}, finish: () => {} };
  }
}

function bar(terminal: Terminal): Display {
  let drawn = false;
  return {
    update(event) {
      terminal.raw(`\r${drawing(event).slice(0, terminal.columns - 1)}\x1b[K`);
      drawn = true;
    },
    finish() {
      if (drawn) terminal.raw("\r\x1b[K");
      drawn = false;
    },
  };
}

function drawing(event: ProgressEvent): string {
  const stage = event.stage.padEnd(9);
  if (event.total === 0) return `${stage} ${bytes(event.memory)}`;
  const share = Math.min(1, event.done / event.total);
  const full = Math.round(share * BAR_WIDTH);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${stage} ${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)} ${percent} % ${describe(event)}`;
}

function lines(terminal: Terminal): Display {
  let stage = "";
  let told = 0;
  let ended = false;
  return {
    update(event) {
      if (event.total === 0) return;
      const now = Date.now();
      const begins = event.stage !== stage;
      // The last rows are told twice: when they are counted, and when the stage ends.
      if (ended && !begins) return;
      ended = event.done === event.total;
      if (!begins && !ended && now - told < LINE_INTERVAL_MS) return;
      stage = event.stage;
      told = now;
      terminal.raw(`${stage}: ${count(event.done)} of ${count(event.total)} rows, ${describe(event)}\n`);
    },
    finish() {},
  };
}

function describe(event: ProgressEvent): string {
  const parts: string[] = [];
  if (event.rowsPerSecond > 0) parts.push(`${count(Math.round(event.rowsPerSecond))} rows/s`);
  if (event.eta !== null && event.done < event.total) parts.push(`${seconds(event.eta)} left`);
  parts.push(bytes(event.memory));
  return parts.join(", ");
}
