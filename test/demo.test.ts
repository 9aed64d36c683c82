import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "gigamapper";
import { describe, expect, it } from "vitest";
import { gigamapper } from "./command.js";
import { query, temporary } from "./folder.js";

describe("the demo", () => {
  it("maps real cells well, says where everything is, and can be run again", async () => {
    const folder = temporary();
    for (const _ of ["first", "again"]) {
      const { code, stdout } = await gigamapper(["demo"], folder);
      expect(code).toBe(0);
      for (const path of ["obs/bulk_labels_pred", "obs/louvain_pred", "obs/n_genes_pred", "obsm/X_umap_pred"]) {
        expect(stdout).toContain(`stored ${path} (`);
      }
      expect(stdout).toContain('anndata.read_zarr("gigamapper-demo.zarr")');
      const share = Number(/([\d.]+) % of the 200 predicted labels are correct/.exec(stdout)?.[1]);
      // CellMapper's own labels are right for 159 of these 200 cells.
      expect(share).toBeCloseTo(79.5, 0);
    }
    const found = await inspect(join(folder, "gigamapper-demo.zarr"));
    expect(found).toMatchObject({
      nObs: 200,
      nVars: 0,
      obs: { bulk_labels_pred: { kind: "categorical", missing: 0 } },
    });
  });

  it("does not replace what is not a demo of ours", async () => {
    const output = join(temporary(), "precious.zarr");
    cpSync(query, output, { recursive: true });
    expect((await gigamapper(["demo", "--output", output])).code).toBe(6);
    expect(existsSync(join(output, "obs/bulk_labels"))).toBe(true);
  });
});

describe("inspect", () => {
  it("describes the real cells", async () => {
    const found = await inspect(query);
    expect(found).toMatchObject({
      zarrFormat: 3,
      nObs: 200,
      nVars: 765,
      obs: {
        bulk_labels: { kind: "categorical", missing: 0, ordered: false },
        n_genes: { kind: "numeric", missing: 0 },
      },
      obsm: { X_pca: { shape: [200, 50], dtype: "float32" }, X_umap: { shape: [200, 2] } },
      layers: { X: { kind: "csr", shape: [200, 765] } },
    });
    expect(found.obs["bulk_labels"]?.categories).toHaveLength(10);
    const { code, stdout } = await gigamapper(["inspect", query]);
    expect(code).toBe(0);
    expect(stdout).toContain("200 cells");
    expect(stdout).toContain("X_pca");
  });
});
