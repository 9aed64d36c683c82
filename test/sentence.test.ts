import { sentences } from "gigamapper";
import { expect, it } from "vitest";

const stored = [
  { path: "obsm/knn_indices", kind: "array", shape: [1_000_000, 30], stage: "join" },
  { path: "obs/cell_type_pred", kind: "categorical", shape: [1_000_000], stage: "transfer" },
  { path: "obs/age_pred", kind: "numeric", shape: [1], stage: "transfer" },
];
const stages = (join: number, transfer: number) => [
  { stage: "join", seconds: join, bytesWritten: 0 },
  { stage: "transfer", seconds: transfer, bytesWritten: 0 },
];

it("says where each result is, how many there are and how long its stage took", () => {
  expect(sentences({ stored, stages: stages(12.4, 3) })).toEqual([
    "stored obsm/knn_indices (array, 1 000 000 cells × 30) in 12.4 s",
    "stored obs/cell_type_pred (categorical, 1 000 000 cells) in 3.0 s",
    "stored obs/age_pred (numeric, 1 cell) in 3.0 s",
  ]);
});

it("says times as people do", () => {
  const took = (seconds: number) => sentences({ stored, stages: stages(seconds, 0) })[0]?.split(" in ")[1];
  expect([0.042, 0.0004, 59.96, 200, 7500].map(took)).toEqual([
    "0.04 s",
    "0.01 s",
    "60.0 s",
    "3 min 20 s",
    "2 h 5 min",
  ]);
});
