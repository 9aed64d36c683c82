/**
 * Carries progress events from the addon to the caller's listener.
 *
 * An exception in a function that native code calls ends the process, so whatever the listener throws, or the promise
 * it returns rejects with, is caught here and handed to `fail`. Not here: drawing bars (the command's).
 */

import type { ProgressEvent } from "./generated.js";

/** Told at most ten times a second, and at the begin and end of a stage. */
export type ProgressListener = (event: ProgressEvent) => unknown;

/** The function to give to the addon. It calls `fail` at most once and tells nothing after that. */
export function guarded(listener: ProgressListener, fail: (reason: unknown) => void): (event: string) => void {
  let failed = false;
  const failOnce = (reason: unknown): void => {
    if (failed) return;
    failed = true;
    fail(reason);
  };
  return (text) => {
    if (failed) return;
    try {
      const answer = listener(JSON.parse(text) as ProgressEvent);
      if (answer instanceof Promise) answer.catch(failOnce);
    } catch (reason) {
      failOnce(reason);
    }
  };
}
