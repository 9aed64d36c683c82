/** What interrupted work has left. */

import type { CleanReport } from "./generated.js";
import { read } from "./job.js";
import { type CleanOptions, encode } from "./request.js";

/**
 * Looks below `paths` (stores, indexes, or folders) for what nobody needs: locks of processes that have ended, temporary files,
 * runs and journals without a store. Tells what it is; removes it with `yes: true`. A finished store or index is never touched,
 * nothing is that a process is writing, and unfinished ones only with `unfinished: true`, because `resume` goes on with them.
 *
 * Rejects when nothing is at a path (`GM_NOT_FOUND`).
 *
 * @example const { leftovers, bytes } = await clean(["results"]);
 */
export async function clean(paths: string[], options: CleanOptions = {}): Promise<CleanReport> {
  const request = encode({ ...options, paths } as CleanOptions);
  return await read<CleanReport>("clean", options.signal, (addon) => addon.clean(request));
}
