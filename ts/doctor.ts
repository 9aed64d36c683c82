/** What this machine offers. */

import type { Doctor } from "./generated.js";
import { read } from "./job.js";
import { nativePath } from "./native.js";
import type { CallOptions } from "./request.js";

/** What {@link doctor} says. */
export interface Machine extends Doctor {
  /** The file of the addon that is in use. */
  addon: string;
}

/**
 * CPU features in use, threads, memory in bytes (the machine's, the cgroup's limit, the default budget) and compute
 * back ends: the devices, or what is missing for one and what to do. It asks `python3` where cuVS is,
 * which takes a tenth of a second and more. Rejects with `GM_BACKEND` where the addon cannot be loaded.
 *
 * @example
 * const { cpu, memory } = await doctor();
 * console.log(cpu.tile, memory.default);
 */
export async function doctor(options: CallOptions = {}): Promise<Machine> {
  const found = await read<Doctor>("doctor", options.signal, (addon) => addon.doctor());
  return { ...found, addon: await nativePath() };
}
