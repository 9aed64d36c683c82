import { join } from "node:path";
import FileSystemStore from "@zarrita/storage/fs";
import { map } from "gigamapper";
import { describe, expect, it } from "vitest";
import * as zarr from "zarrita";
import { query, reference, temporary } from "./folder.js";

/** The whole of an array; zarrita opens it by the consolidated metadata of its root, without a request for each node. */
async function read(store: string, path: string): Promise<{ data: unknown[]; shape: number[] }> {
  const root = await zarr.withConsolidatedMetadata(new FileSystemStore(store), { format: "v3" });
  const found = await zarr.get(await zarr.open.v3(zarr.root(root).resolve(path), { kind: "array" }));
  return { data: Array.from(found.data as ArrayLike<unknown>), shape: found.shape };
}

/** The labels of a categorical column. */
async function labels(store: string, path: string): Promise<unknown[]> {
  const { data: codes } = await read(store, `${path}/codes`);
  const { data: categories } = await read(store, `${path}/categories`);
  return codes.map((code) => categories[Number(code)]);
}

describe("zarrita", () => {
  it("reads a store of one part and the parts of another, with the same cells, labels and neighbors", async () => {
    const folder = temporary();
    const [one, many] = [join(folder, "one.zarr"), join(folder, "many.zarr")];
    const asked = { query, reference, obsKeys: ["bulk_labels"], obsmKeys: ["X_umap"] };
    await map({ ...asked, output: one });
    await map({ ...asked, output: many, layout: { innerRows: 16, innerPerUnit: 2, partRows: 64 } });

    const root = await zarr.open.v3(zarr.root(new FileSystemStore(many)), { kind: "group" });
    expect(root.attrs["gigamapper"]).toMatchObject({ status: "complete", n_obs: 200, part_rows: 64 });
    const parts = [0, 1, 2, 3].map((part) => join(many, `dataset_${part}`));
    for (const path of [
      "obs/_index",
      "obs/bulk_labels_conf",
      "obsm/knn_indices",
      "obsm/knn_distances",
      "obsm/X_umap_pred",
    ]) {
      const whole = await read(one, path);
      const pieces = await Promise.all(parts.map((part) => read(part, path)));
      expect(pieces.map(({ shape }) => shape[0])).toEqual([64, 64, 64, 8]);
      expect(pieces.flatMap(({ data }) => data)).toEqual(whole.data);
      // The root of many parts knows all of their nodes as well.
      expect((await read(many, `dataset_1/${path}`)).data).toEqual(pieces[1]?.data);
    }
    const named = await labels(one, "obs/bulk_labels_pred");
    expect(named.filter((label) => typeof label === "string")).toHaveLength(200);
    expect((await Promise.all(parts.map((part) => labels(part, "obs/bulk_labels_pred")))).flat()).toEqual(named);
  });
});
