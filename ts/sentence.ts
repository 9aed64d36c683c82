/** Says in one sentence each where the results of a run are. */

import type { OutputArray, RunReport } from "./generated.js";

/**
 * One sentence per stored thing: `stored obs/cell_type_pred (categorical, 1 000 000 cells) in 12.4 s`. The time is that
 * of the stage that stored it; what one stage stores is stored together.
 *
 * @example
 * const report = await map({ query: "query.zarr", reference: "atlas.zarr", obsKeys: ["louvain"], output: "said.zarr" });
 * for (const sentence of sentences(report)) console.log(sentence);
 */
export function sentences(report: Pick<RunReport, "stored" | "stages">): string[] {
  const took = new Map(report.stages.map(({ stage, seconds }) => [stage, seconds]));
  return report.stored.map((thing) => {
    const stored = `stored ${thing.path} (${describe(thing)})`;
    const time = took.get(thing.stage);
    return time === undefined ? stored : `${stored} in ${seconds(time)}`;
  });
}

/** `categorical, 1 000 000 cells`, or `array, 1 000 000 cells × 30`. */
export function describe({ kind, shape }: Pick<OutputArray, "kind" | "shape">): string {
  const [cells = 0, ...columns] = shape;
  return `${kind}, ${[counted(cells, "cell"), ...columns.map(count)].join(" × ")}`;
}

/** `1 cell`, `200 cells`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A whole number in groups of three: `1 000 000`. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** `0.04 s` (never less than 0.01), `12.4 s`, `3 min 20 s`, `2 h 5 min`. */
export function seconds(value: number): string {
  if (value < 0.95) return `${Math.max(value, 0.01).toFixed(2)} s`;
  if (value < 119.5) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `512.0 MiB`. */
export function bytes(value: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  if (value < 1024) return `${value} B`;
  let unit = -1;
  let scaled = value;
  while (scaled >= 1024 && unit + 1 < units.length) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled.toFixed(1)} ${units[unit]}`;
}
