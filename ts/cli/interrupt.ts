/**
 * Ctrl-C and SIGTERM: cancel, wait for the checkpoint, then exit. A second signal does not cut the wait short, because
 * the checkpoint is what makes the run resumable; it is answered with a line that says so.
 */

import type { Terminal } from "./terminal.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** A signal to give to calls, and what fired it. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
  /** The first signal that arrived. */
  received(): NodeJS.Signals | undefined;
}

/** Listens until disposed. */
export function interrupt(terminal: Terminal): Interrupt {
  const controller = new AbortController();
  let first: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (first !== undefined) {
      terminal.say("still waiting for the checkpoint, which makes this run resumable");
      return;
    }
    first = name;
    terminal.say(`${name}: stopping at the next checkpoint`);
    controller.abort(new Error(`received ${name}`));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    received: () => first,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
