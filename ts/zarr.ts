/**
 * Stores for zarrita: `gigamapper/zarr`. A subpath of its own, because zarrita's types ask for those of a browser.
 *
 * @module
 */

import FileSystemStore from "@zarrita/storage/fs";
import { type Group, open, root } from "zarrita";
import { MappedStore } from "./mapped.js";

/**
 * The root of a finished store, in which zarrita opens every array. A store of many parts has groups `dataset_0`, `dataset_1`, …
 * Rejects as `MappedStore.length`.
 *
 * @example
 * import { open, get } from "zarrita";
 * import { openGroup } from "gigamapper/zarr";
 *
 * const group = await openGroup("mapped.zarr");
 * const { data } = await get(await open.v3(group.resolve("obs/bulk_labels_conf"), { kind: "array" }));
 * console.log(data);
 */
export async function openGroup(path: string): Promise<Group<FileSystemStore>> {
  await new MappedStore(path).length();
  return await open.v3(root(new FileSystemStore(path)), { kind: "group" });
}
