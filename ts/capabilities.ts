/** What this build can do, as data. The core says it, from the lists and checks that decide it. */

import type { Capabilities } from "./generated.js";
import { read } from "./job.js";
import type { CallOptions } from "./request.js";

/**
 * Platform, CPU features in use, back ends with reason and remedy where one cannot be used, element types, methods of search with the metrics and
 * list types that each takes, what becomes of each combination of back end, method, rows, metric and mode (`combinations`), what back ends each
 * platform can have, kernels, and the formats that are read and written. A page of the documentation, `docs/capabilities.md`, is made of the
 * same. Rejects with `GM_BACKEND` where the addon cannot be loaded.
 *
 * @example
 * const { methods, backends, combinations } = await capabilities();
 * const lists = methods.find(({ name }) => name === "ivf");
 * const byGpu = combinations.filter(({ backend, runsOn }) => backend === "cuda" && runsOn === "cuda");
 * console.log(byGpu.length, lists?.metrics, backends.filter(({ available }) => !available).map(({ reason }) => reason));
 */
export async function capabilities(options: CallOptions = {}): Promise<Capabilities> {
  return await read<Capabilities>("capabilities", options.signal, (addon) => addon.capabilities());
}
