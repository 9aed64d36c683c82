/** Exit codes, and how a failure is told. The only place that turns errors into numbers and paragraphs. */

import { type GigamapperErrorCode, isGigamapperError } from "../errors.js";
import type { Terminal } from "./terminal.js";

/** 0 is success. Commander's own complaints are usage errors. */
export const EXIT = { ok: 0, failure: 1, usage: 2, damaged: 3, terminated: 75, interrupted: 130 } as const;

const BY_CODE: Record<GigamapperErrorCode, number> = {
  GM_PARAM: 2,
  GM_NOT_FOUND: 3,
  GM_SCHEMA: 3,
  GM_SHAPE: 3,
  GM_CORRUPT: 3,
  GM_UNSUPPORTED: 3,
  GM_BUDGET: 4,
  GM_BACKEND: 5,
  GM_EXISTS: 6,
  GM_STALE: 6,
  GM_IO: 75,
  GM_CANCELLED: 130,
  GM_INTERNAL: 1,
};

/** The exit code of a failure; `signal` is the one that cancelled it, if one did. */
export function exitCode(error: unknown, signal?: NodeJS.Signals): number {
  if (!isGigamapperError(error)) return EXIT.failure;
  if (error.code === "GM_CANCELLED" && signal === "SIGTERM") return EXIT.terminated;
  if (isGigamapperError(error, "GM_IO") && error.details.resumable === false) {
    // Another try gets no further; what cannot be read is an input.
    return /^(list|look at|map|open|read|resolve)$/.test(error.details.operation) ? EXIT.damaged : EXIT.failure;
  }
  return BY_CODE[error.code];
}

/** Tells a failure on stderr: one paragraph, or one JSON object with `--json`. */
export function tell(error: unknown, terminal: Terminal): void {
  if (terminal.json) {
    terminal.raw(`${JSON.stringify({ error: asData(error) })}\n`);
    return;
  }
  const { message, hint } = asData(error);
  terminal.raw(`${terminal.style("red", "error:")} ${sentence(message)}${hint ? ` ${sentence(capital(hint))}` : ""}\n`);
  if (terminal.verbosity > 1 && error instanceof Error) terminal.raw(`${error.stack ?? ""}\n`);
}

function asData(error: unknown): { code: string; message: string; details: unknown; hint: string | null } {
  if (isGigamapperError(error)) return error.toJSON();
  const message = error instanceof Error ? error.message : String(error);
  return { code: "GM_INTERNAL", message, details: { reason: message }, hint: null };
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function capital(text: string): string {
  // A hint that starts with a word gets a capital; one that starts with a command or a name keeps its spelling.
  return /^[a-z]+\b(?![-_./])/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
