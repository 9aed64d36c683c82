/**
 * Carries cells in memory to the addon for as long as a call needs them.
 *
 * The addon copies them when the call begins and lets go of the copy when it has settled, so a caller may do with its arrays
 * what it likes meanwhile. The copy has a path, by which a request names it as it names a folder.
 */

import { type Cells, type CellsInMemory, described } from "./cells.js";
import { fromNative } from "./errors.js";
import { settled } from "./job.js";
import { native } from "./native.js";
import { asText } from "./request.js";

/** The stores of a call as its request names them. */
export type Paths<Stores> = { [name in keyof Stores]: string | Extract<Stores[name], undefined> };

/**
 * Calls `work` with a path for each of the stores. Those in memory are copied first, the same ones once; their names are what
 * errors and reports call them.
 */
export async function withPaths<Stores extends { [name in keyof Stores]: Cells | undefined }, T>(
  stores: Stores,
  work: (paths: Paths<Stores>) => Promise<T>,
): Promise<T> {
  const held = new Map<CellsInMemory | Uint8Array, string>();
  try {
    const paths: { [name: string]: string | undefined } = {};
    for (const [name, cells] of Object.entries<Cells | undefined>(stores)) {
      paths[name] = cells == null || typeof cells === "string" ? cells : (held.get(cells) ?? (await hold(name, cells)));
      if (typeof cells === "object" && paths[name] !== undefined) held.set(cells, paths[name]);
    }
    return await work(paths as Paths<Stores>);
  } finally {
    if (held.size > 0) {
      const { releaseCells } = await native();
      for (const path of held.values()) settled(() => releaseCells(path));
    }
  }
}

async function hold(name: string, cells: CellsInMemory | Uint8Array): Promise<string> {
  const { description, arrays } = described(`${name} in memory`, cells);
  const text = asText(description);
  const { holdCells } = await native();
  try {
    return JSON.parse(await holdCells(text, arrays)) as string;
  } catch (error) {
    throw fromNative(error);
  }
}
