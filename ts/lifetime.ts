/**
 * The life of a handle: what runs under it, and its end. Closing cancels what it started and waits until that has stopped;
 * a closed handle refuses work.
 */

import { GigamapperError } from "./errors.js";

/** Held by each class that has `close()`. */
export class Lifetime {
  readonly #noun: string;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  /** @param noun what the handle is, as its errors call it */
  constructor(noun: string) {
    this.#noun = noun;
  }

  /** What cancels a call: the end of the handle, and the caller's own signal if there is one. `GM_PARAM` when closed. */
  signals(own?: AbortSignal): AbortSignal[] {
    this.refuseClosed();
    return own ? [this.#closing.signal, own] : [this.#closing.signal];
  }

  /** Lets `close()` wait for `job`. */
  async during<T>(job: Promise<T>): Promise<T> {
    this.#running.add(job);
    try {
      return await job;
    } finally {
      this.#running.delete(job);
    }
  }

  /** `GM_PARAM` when closed. */
  refuseClosed(): void {
    if (!this.#closing.signal.aborted) return;
    const reason = `a closed ${this.#noun} cannot be used; make a new one`;
    throw new GigamapperError("GM_PARAM", `${this.#noun}: ${reason}`, { name: this.#noun, value: "closed", reason });
  }

  /** Cancels what runs and waits for its end. Calling it again is harmless. */
  async close(): Promise<void> {
    this.#closing.abort(new Error(`the ${this.#noun} was closed`));
    await Promise.allSettled(this.#running);
  }
}
