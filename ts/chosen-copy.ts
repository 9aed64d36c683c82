/**
 * A copy of the chosen cells of a query, for predictions to be joined into: names, columns and embeddings, in the form that `rechunk` gives them.
 *
 * Each embedding is a pass of its own over the cells, and the copies become one by renaming. Not here: expression, which `rechunk` does not copy
 * as it is; whoever needs it takes the whole query.
 */

import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GigamapperError, isGigamapperError } from "./errors.js";
import { inspect } from "./inspect.js";
import { rechunk } from "./rechunk.js";

/** What was copied. */
export interface ChosenCopy {
  /** Where it is: a zarr v3 store of one AnnData. */
  path: string;
  /** Embeddings that its root does not know of yet, as `obsm/<key>`. */
  added: string[];
  /** What was left out, and why. */
  warnings: string[];
}

/** Copies the cells of `query` for which its own condition, and `where`, hold into `folder`. */
export async function copyChosen(
  query: string,
  where: string | undefined,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ChosenCopy> {
  const choice = where === undefined ? {} : { where };
  const { obsm, layers, nObs } = await inspect(query, { ...choice, signal });
  const copy: ChosenCopy = { path: "", added: [], warnings: [] };
  for (const [number, key] of Object.keys(obsm).entries()) {
    const output = join(folder, `chosen-${number}.zarr`);
    const isFirst = copy.path === "";
    try {
      const useRep = `obsm/${key}`;
      const columns = isFirst ? {} : { obsKeys: [] };
      const { warnings } = await rechunk(query, { ...choice, ...columns, useRep, output, signal });
      if (isFirst) copy.warnings.push(...warnings);
    } catch (error) {
      if (!isGigamapperError(error, "GM_UNSUPPORTED") && !isGigamapperError(error, "GM_SCHEMA")) throw error;
      copy.warnings.push(`obsm/${key} is left out: ${error.message}`);
      continue;
    }
    if (isFirst) {
      copy.path = output;
      continue;
    }
    await mkdir(dirname(join(copy.path, "obsm", key)), { recursive: true });
    await rename(join(output, "obsm", key), join(copy.path, "obsm", key));
    copy.added.push(`obsm/${key}`);
  }
  if (copy.path === "") {
    const what = `joining into ${nObs} chosen cells of ${query}, which has no embedding that can be copied,`;
    const hint = "export a table, or join into the whole query";
    throw new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what }, { hint });
  }
  const expression = Object.keys(layers);
  if (expression.length > 0) {
    copy.warnings.push(`${expression.join(", ")} of the query: chosen cells are copied without expression`);
  }
  return copy;
}
