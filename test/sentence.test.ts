import { sentences } from "gigamapper";
import { expect, it } from "vitest";

it("says where each result is, how many there are and how long it took", () => {
  const stored = [
    { path: "obs/cell_type_pred", kind: "categorical", shape: [1_000_000] },
    { path: "obsm/knn_indices", kind: "array", shape: [1_000_000, 30] },
    { path: "obs/age_pred", kind: "numeric", shape: [1] },
  ];
  expect(sentences({ stored, seconds: 12.4 })).toEqual([
    "stored obs/cell_type_pred (categorical, 1 000 000 cells) in 12.4 s",
    "stored obsm/knn_indices (array, 1 000 000 cells × 30) in 12.4 s",
    "stored obs/age_pred (numeric, 1 cell) in 12.4 s",
  ]);
  const took = (seconds: number) => sentences({ stored: stored.slice(2), seconds })[0]?.split(" in ")[1];
  expect([0.042, 59.96, 200, 7500].map(took)).toEqual(["0.04 s", "60.0 s", "3 min 20 s", "2 h 5 min"]);
});
