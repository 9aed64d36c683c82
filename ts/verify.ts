/** Finished stores and indexes against the checksums that were written with them. */

import type { VerifyReport } from "./generated.js";
import { runTask } from "./job.js";
import type { VerifyOptions } from "./request.js";

/**
 * Reads all of the store or index at `path` and compares it with the checksums that were written with it: those of a store are in
 * the journal beside it, those of an index in its manifest. Goes on after damage and resolves to what is damaged, which units of
 * which rows that is, and what to do. Writes nothing, but for `repair: true`: then a damaged store is made one that the call that
 * wrote it repairs with `resume: true`, computing these units and no others.
 *
 * Rejects when nothing is there or a store has no journal (`GM_NOT_FOUND`), when something else is (`GM_SCHEMA`), when an index is
 * to be repaired (`GM_PARAM`) and when cancelled (`GM_CANCELLED`).
 *
 * @example const { damaged, units } = await verify("mapped.zarr");
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const request = { ...options, path };
  return await runTask<VerifyReport>("verify", request, options.signal ? [options.signal] : []);
}
