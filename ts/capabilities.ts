/** What this build can do, as data. The core says it, from the lists and checks that decide it. */

import type { Capabilities } from "./generated.js";
import { read } from "./job.js";
import type { CallOptions } from "./request.js";

/**
 * Platform, CPU features in use, back ends with the reason where one cannot be used, element types, methods of search with the metrics and
 * list types that each takes, kernels, and the formats that are read and written. A page of the documentation, `docs/capabilities.md`, is made of the
 * same. Rejects with `GM_BACKEND` where the addon cannot be loaded.
 *
 * @example
 * const { methods, backends } = await capabilities();
 * const lists = methods.find(({ name }) => name === "ivf");
 * console.log(lists?.metrics, backends.filter(({ available }) => !available).map(({ reason }) => reason));
 */
export async function capabilities(options: CallOptions = {}): Promise<Capabilities> {
  return await read<Capabilities>("capabilities", options.signal, (addon) => addon.capabilities());
}
