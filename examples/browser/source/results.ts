/** What the page makes of a mapping: counts, bins and lines of a table. Nothing here touches the page. */

import type { Mapped } from "./messages.js";

/** Cells of one label. */
export interface LabelCount {
  code: number;
  label: string;
  cells: number;
  confidence: number;
}

/** Cells by label, most first; cells without one last. */
export function counted({ labels: { codes, confidence, categories } }: Mapped): LabelCount[] {
  const counts = new Map<number, LabelCount>();
  for (const [cell, code] of codes.entries()) {
    const none: LabelCount = { code, label: categories[code] ?? "no label", cells: 0, confidence: 0 };
    const count = counts.get(code) ?? none;
    count.cells += 1;
    count.confidence += confidence[cell] ?? 0;
    counts.set(code, count);
  }
  const all = [...counts.values()].map((count) => ({ ...count, confidence: count.confidence / count.cells }));
  return all.sort((one, other) => Number(one.code < 0) - Number(other.code < 0) || other.cells - one.cells);
}

/** Cells by confidence, in tenths; 1 belongs to the last. Cells without a label are in none. */
export function binned({ labels: { codes, confidence } }: Mapped): number[] {
  const bins = new Array<number>(10).fill(0);
  for (const [cell, share] of confidence.entries()) {
    const bin = Math.min(9, Math.floor(share * 10));
    if ((codes[cell] ?? -1) >= 0) bins[bin] = (bins[bin] ?? 0) + 1;
  }
  return bins;
}

/** A line for each cell: name, label, confidence, nearest reference cell and its distance. */
export function asCsv({ names, labels, indices, distances, k }: Mapped): string {
  const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const number = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? "" : String(value));
  const lines = names.map((name, cell) => {
    const nearest = indices[cell * k] ?? -1;
    const label = labels.categories[labels.codes[cell] ?? -1] ?? "";
    const fields = [label, number(labels.confidence[cell]), nearest < 0 ? "" : String(nearest)];
    return [name, ...fields, number(distances[cell * k])].map(quoted).join(",");
  });
  return `${["cell,label,confidence,nearest,distance", ...lines].join("\r\n")}\r\n`;
}

/** Bytes as people write them. */
export function bytes(count: number): string {
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
