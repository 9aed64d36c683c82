/**
 * Runs native calls under a signal.
 *
 * napi's own AbortSignal support overwrites `signal.onabort` and misses signals that are already aborted, so it is not
 * used: a signal is checked first, listened to, and let go in `finally`.
 */

import { cancelled, fromNative, isGigamapperError } from "./errors.js";
import type { RunReport } from "./generated.js";
import { type NativeBinding, native } from "./native.js";
import { guarded } from "./progress.js";
import { encode, type MapOptions, type Stores } from "./request.js";

/**
 * A call that only reads. It cannot be interrupted, but it is short and changes nothing: when the signal fires, its
 * result is no longer waited for.
 */
export async function read<T>(
  stage: string,
  signal: AbortSignal | undefined,
  call: (addon: NativeBinding) => Promise<string>,
): Promise<T> {
  const addon = await native();
  refuseAborted(stage, signal);
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(cancelled(stage, signal?.reason));
  });
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return JSON.parse(await Promise.race([call(addon), stopped])) as T;
  } catch (error) {
    throw isGigamapperError(error) ? error : fromNative(error);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** A mapping. The first of `signals` to fire cancels it; it settles when the core has stopped at a clean checkpoint. */
export async function runMap(request: Stores & MapOptions, signals: AbortSignal[]): Promise<RunReport> {
  const text = encode(request);
  const addon = await native();
  for (const signal of signals) refuseAborted("preflight", signal);

  const job = new addon.MapJob();
  const stop = (): void => job.cancel();
  let thrown: { reason: unknown } | undefined;
  const listener =
    request.onProgress &&
    guarded(request.onProgress, (reason) => {
      thrown = { reason };
      stop();
    });

  for (const signal of signals) signal.addEventListener("abort", stop, { once: true });
  try {
    const report = JSON.parse(await job.start(text, listener)) as RunReport;
    if (thrown) throw thrown.reason;
    return report;
  } catch (error) {
    if (thrown) throw thrown.reason;
    const failure = fromNative(error);
    const fired = signals.find((signal) => signal.aborted);
    if (fired && isGigamapperError(failure, "GM_CANCELLED")) {
      throw cancelled(failure.details.stage, fired.reason, failure.hint);
    }
    throw failure;
  } finally {
    for (const signal of signals) signal.removeEventListener("abort", stop);
  }
}

function refuseAborted(stage: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(stage, signal.reason);
}
