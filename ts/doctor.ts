/** What this machine offers. */

import type { Doctor } from "./generated.js";
import { read } from "./job.js";
import type { CallOptions } from "./request.js";

/**
 * CPU features in use, threads, memory in bytes (the machine's, the cgroup's limit, the default budget) and compute
 * back ends, with the reason where one is not available. Rejects with `GM_BACKEND` where the addon cannot be loaded.
 */
export async function doctor(options: CallOptions = {}): Promise<Doctor> {
  return await read<Doctor>("doctor", options.signal, (addon) => addon.doctor());
}
