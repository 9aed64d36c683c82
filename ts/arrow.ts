/**
 * Results as Arrow vectors and tables: `gigamapper/arrow`, for those who have apache-arrow installed, which it alone needs.
 *
 * @module
 */

import {
  Bool,
  type DataType,
  Dictionary,
  Int8,
  Int16,
  Int32,
  makeData,
  makeVector,
  Table,
  Utf8,
  type Vector,
  vectorFromArray,
} from "apache-arrow";
import type { MappedColumn, MappedStore } from "./mapped.js";
import type { CallOptions } from "./request.js";

/**
 * A column as an Arrow vector: labels as a dictionary of strings, null where a cell has none, as with truths and texts; numbers over the same memory.
 *
 * @example
 * import { MappedStore } from "gigamapper";
 * import { toVector } from "gigamapper/arrow";
 *
 * const labels = toVector(await new MappedStore("mapped.zarr").obs("bulk_labels_pred"));
 * console.log(labels.get(0), labels.nullCount);
 */
export function toVector(column: MappedColumn): Vector {
  switch (column.kind) {
    case "categorical":
      return dictionary(column);
    case "numeric":
      return makeVector(column.values as Float32Array);
    case "boolean":
      return vectorFromArray(column.values, new Bool());
    case "string":
      return vectorFromArray(column.values, new Utf8());
  }
}

/**
 * The columns of a mapped store as an Arrow table, those named or all, with the names of the cells first, as `cell`.
 *
 * @example
 * import { MappedStore } from "gigamapper";
 * import { toTable } from "gigamapper/arrow";
 *
 * const table = await toTable(new MappedStore("mapped.zarr"), { columns: ["bulk_labels_pred", "bulk_labels_conf"] });
 * console.log(table.numRows, table.schema.fields.map(({ name }) => name));
 */
export async function toTable(
  mapped: MappedStore,
  options: CallOptions & { columns?: readonly string[] } = {},
): Promise<Table> {
  const { columns = await mapped.columns(), ...rest } = options;
  const vectors: Record<string, Vector> = { cell: toVector(await mapped.obs("", rest)) };
  for (const name of columns) vectors[name] = toVector(await mapped.obs(name, rest));
  return new Table(vectors);
}

function dictionary({ codes, categories }: Extract<MappedColumn, { kind: "categorical" }>): Vector {
  const present = new Uint8Array(Math.ceil(codes.length / 8));
  let nullCount = 0;
  codes.forEach((code, row) => {
    if (code < 0) nullCount += 1;
    else present[row >> 3] = (present[row >> 3] ?? 0) | (1 << (row & 7));
  });
  const type = new Dictionary(new Utf8(), indices(codes));
  const names = vectorFromArray(categories, new Utf8());
  return makeVector(
    makeData({ type, data: codes, length: codes.length, nullCount, nullBitmap: present, dictionary: names }) as never,
  ) as Vector<DataType>;
}

function indices(codes: Int8Array | Int16Array | Int32Array): Int8 | Int16 | Int32 {
  if (codes instanceof Int8Array) return new Int8();
  return codes instanceof Int16Array ? new Int16() : new Int32();
}
