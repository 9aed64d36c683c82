/** Reads one categorical column of an AnnData store with zarrita. For columns of thousands of cells, not of billions. */

import FileSystemStore from "@zarrita/storage/fs";
import * as zarr from "zarrita";

/** The label of each cell, null where there is none. */
export async function readLabels(store: string, column: string): Promise<(string | null)[]> {
  const group = zarr.root(new FileSystemStore(store)).resolve(`obs/${column}`);
  const codes = await read(group.resolve("codes"));
  const categories = await read(group.resolve("categories"));
  return Array.from(codes as ArrayLike<number | bigint>, (code) => {
    const label = Number(code) < 0 ? undefined : categories[Number(code)];
    return label === undefined ? null : String(label);
  });
}

async function read(location: zarr.Location<FileSystemStore>): Promise<ArrayLike<unknown>> {
  const { data } = await zarr.get(await zarr.open.v3(location, { kind: "array" }));
  return data as ArrayLike<unknown>;
}
