/** Tables as CSV (RFC 4180, lines that end in a line feed, UTF-8). */

import { open } from "node:fs/promises";
import type { TableWriter } from "./export.js";
import { type MappedColumn, type MappedValue, valueAt } from "./mapped.js";

/** Begins a file with the names of the columns. */
export async function csvTable(path: string, head: Map<string, MappedColumn>): Promise<TableWriter> {
  const file = await open(path, "w");
  await file.write(line([...head.keys()].map(field)));
  return {
    async write(columns) {
      const texts = [...columns.values()].map(texting);
      const rows = lengthOf(columns);
      const lines: string[] = [];
      for (let row = 0; row < rows; row += 1) lines.push(line(texts.map((text) => text(row))));
      await file.write(lines.join(""));
    },
    finish: () => file.sync(),
    close: () => file.close(),
  };
}

/** Rows of a block. */
export function lengthOf(columns: Map<string, MappedColumn>): number {
  const [column] = columns.values();
  if (!column) return 0;
  return column.kind === "categorical" ? column.codes.length : column.values.length;
}

const line = (fields: string[]): string => `${fields.join(",")}\n`;

function texting(column: MappedColumn): (row: number) => string {
  if (column.kind === "categorical") {
    const names = column.categories.map(field);
    return (row) => names[column.codes[row] ?? -1] ?? "";
  }
  const short = column.kind === "numeric" && column.values instanceof Float32Array;
  return (row) => {
    const value = valueAt(column, row);
    return short ? float32(value as number) : field(value);
  };
}

function field(value: MappedValue): string {
  if (value === null || Number.isNaN(value)) return "";
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The shortest decimal that is this f32 and no other: 0.1, where f64 would say 0.10000000149011612. */
function float32(value: number): string {
  if (Number.isNaN(value)) return "";
  for (let digits = 6; digits < 9; digits += 1) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(9)));
}
