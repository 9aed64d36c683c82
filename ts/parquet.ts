/** Tables as Parquet: a row group for each block, compressed by snappy; labels as strings, which Parquet keeps as a dictionary. */

import { type FileHandle, open } from "node:fs/promises";
import { type BasicType, ByteWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { GigamapperError } from "./errors.js";
import type { TableWriter } from "./export.js";
import { type MappedColumn, valueAt } from "./mapped.js";

/** Begins a file whose columns have the types of those of `head`. */
export async function parquetTable(path: string, head: Map<string, MappedColumn>): Promise<TableWriter> {
  const file = await open(path, "w");
  const bytes = new ByteWriter();
  const columnData = sources(head);
  const schema = schemaFromColumnData({ columnData });
  const writer = new ParquetWriter({ writer: bytes, schema, createdBy: "gigamapper" });
  return {
    async write(columns) {
      const data = sources(columns);
      await writer.write({ columnData: data, rowGroupSize: Math.max(1, data[0]?.data.length ?? 1) });
      await flush(file, bytes);
    },
    async finish() {
      await writer.finish();
      await flush(file, bytes);
      await file.sync();
    },
    close: () => file.close(),
  };
}

/** What was written so far goes to disk; offsets within the file go on. */
async function flush(file: FileHandle, bytes: ByteWriter): Promise<void> {
  await file.write(new Uint8Array(bytes.buffer, 0, bytes.index));
  bytes.index = 0;
}

function sources(columns: Map<string, MappedColumn>) {
  return [...columns].map(([name, column]) => {
    const { type, data } = source(column);
    return { name, type, data, nullable: column.kind !== "numeric" };
  });
}

function source(column: MappedColumn): {
  type: BasicType;
  data: unknown[] | Float32Array | Float64Array | BigInt64Array;
} {
  if (column.kind === "categorical") {
    return { type: "STRING", data: Array.from(column.codes, (_, row) => valueAt(column, row)) };
  }
  if (column.kind === "string") return { type: "STRING", data: column.values };
  if (column.kind === "boolean") return { type: "BOOLEAN", data: column.values };
  const { values } = column;
  if (values instanceof Float32Array) return { type: "FLOAT", data: values };
  if (values instanceof Float64Array) return { type: "DOUBLE", data: values };
  if (values instanceof BigInt64Array) return { type: "INT64", data: values };
  if (values instanceof Uint32Array) return { type: "INT64", data: Array.from(values, BigInt) };
  if (values instanceof BigUint64Array) {
    const what = "a column of uint64 in Parquet";
    throw new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what });
  }
  return { type: "INT32", data: Array.from(values) };
}
