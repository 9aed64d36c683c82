/**
 * Runs native calls under signals.
 *
 * napi's own AbortSignal support overwrites `signal.onabort` and misses signals that are already aborted, so it is not
 * used: a signal is checked first, listened to, and let go in `finally`.
 */

import { cancelled, fromNative, isGigamapperError } from "./errors.js";
import { type NativeBinding, type NativeTask, native } from "./native.js";
import { guarded, type ProgressListener } from "./progress.js";
import { encode } from "./request.js";

// A task that is collected is cancelled, because its thread of JavaScript may have ended; those that run are held here.
const running = new Set<NativeTask>();

/** The verbs of a task that take a request and resolve to a report. */
export type TaskVerb = Exclude<keyof NativeTask, "cancel">;

/**
 * A call that only reads. It cannot be interrupted, but it is short and changes nothing: when a signal fires, its
 * result is no longer waited for.
 */
export async function waited<T>(
  stage: string,
  signals: AbortSignal[],
  call: (addon: NativeBinding) => Promise<T>,
): Promise<T> {
  const addon = await native();
  refuseAborted(stage, signals);
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(cancelled(stage, signals.find((signal) => signal.aborted)?.reason));
  });
  for (const signal of signals) signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([call(addon), stopped]);
  } catch (error) {
    throw isGigamapperError(error) ? error : fromNative(error);
  } finally {
    for (const signal of signals) signal.removeEventListener("abort", stop);
  }
}

/** The same, of a call that resolves to JSON text. */
export async function read<T>(
  stage: string,
  signal: AbortSignal | undefined,
  call: (addon: NativeBinding) => Promise<string>,
): Promise<T> {
  return JSON.parse(await waited(stage, signal ? [signal] : [], call)) as T;
}

/** A long run. The first of `signals` to fire cancels it; it settles when the core has stopped at a clean checkpoint. */
export async function runTask<Report>(
  verb: TaskVerb,
  request: { onProgress?: ProgressListener | undefined },
  signals: AbortSignal[],
): Promise<Report> {
  const text = encode(request);
  const addon = await native();
  refuseAborted("preflight", signals);

  const task = settled(() => new addon.Task());
  let thrown: { reason: unknown } | undefined;
  const stop = (): void => {
    try {
      settled(() => task.cancel());
    } catch (reason) {
      thrown ??= { reason };
    }
  };
  const listener =
    request.onProgress &&
    guarded(request.onProgress, (reason) => {
      thrown ??= { reason };
      stop();
    });

  for (const signal of signals) signal.addEventListener("abort", stop, { once: true });
  running.add(task);
  try {
    const report = JSON.parse(await task[verb](text, listener)) as Report;
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
    running.delete(task);
    for (const signal of signals) signal.removeEventListener("abort", stop);
  }
}

/** A call that returns at once. What it throws is made an error of ours. */
export function settled<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

function refuseAborted(stage: string, signals: AbortSignal[]): void {
  const fired = signals.find((signal) => signal.aborted);
  if (fired) throw cancelled(stage, fired.reason);
}
