/**
 * Writes AnnData stores for tests: seeded blobs as uncompressed zarr v3, with plain file writes, so that 200 000 cells
 * take a second and need no other reader's or writer's word. Not here: shards, compression, old layouts; the fixtures
 * have those.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What to write. */
export interface Blobs {
  rows: number;
  dim: number;
  seed: number;
  /** Rows per chunk of the embedding. */
  chunkRows?: number;
  /** Changes the embedding before it is written. */
  edit?: (values: Float32Array) => void;
}

export const LABELS = ["B cell", "T cell", "NK", "monocyte", "rare"] as const;

/** Writes `path` with `obsm/X_pca`, categorical `obs/label` and numeric `obs/score`. */
export function writeBlobs(path: string, { rows, dim, seed, chunkRows = 65_536, edit }: Blobs): void {
  const random = generator(seed);
  const values = new Float32Array(rows * dim);
  const codes = new Int8Array(rows);
  const score = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const label = Math.floor(random() * LABELS.length);
    codes[row] = label;
    for (let column = 0; column < dim; column += 1) {
      // The same centres for every seed, so that stores of different seeds can be mapped onto each other.
      const centre = 6 * Math.sin(7 * label + 3 * column);
      values[row * dim + column] = centre + 2 * (random() + random() - 1);
    }
    score[row] = label + random();
  }
  edit?.(values);

  group(path, "", { "encoding-type": "anndata", "encoding-version": "0.1.0" });
  dataframe(path, "obs", rows, ["label", "score"]);
  group(path, "obs/label", { "encoding-type": "categorical", "encoding-version": "0.2.0", ordered: false });
  array(path, "obs/label/codes", codes, [rows], [rows], { type: "int8", fill: -1 });
  strings(path, "obs/label/categories", LABELS);
  array(path, "obs/score", score, [rows], [rows], { type: "float64", fill: 0 });
  dataframe(path, "var", 0, []);
  for (const name of ["layers", "obsm", "obsp", "uns", "varm", "varp"]) {
    group(path, name, { "encoding-type": "dict", "encoding-version": "0.1.0" });
  }
  array(path, "obsm/X_pca", values, [rows, dim], [Math.min(chunkRows, rows), dim], { type: "float32", fill: 0 });
}

/** mulberry32: small, seeded, the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An empty-columned or columned data frame whose index is `cell0`, `cell1`, … */
export function dataframe(store: string, name: string, rows: number, columns: string[]): void {
  const attributes = { "encoding-type": "dataframe", "encoding-version": "0.2.0", _index: "_index" };
  group(store, name, { ...attributes, "column-order": columns });
  strings(
    store,
    `${name}/_index`,
    Array.from({ length: rows }, (_, row) => `cell${row}`),
  );
}

/** A group with its attributes. */
export function group(store: string, name: string, attributes: object): void {
  write(join(store, name, "zarr.json"), JSON.stringify({ zarr_format: 3, node_type: "group", attributes }));
}

function metadata(store: string, name: string, shape: number[], chunk: number[], fields: object): void {
  const grid = { name: "regular", configuration: { chunk_shape: chunk.map((size) => Math.max(size, 1)) } };
  const key = { name: "default", configuration: { separator: "/" } };
  const common = { zarr_format: 3, node_type: "array", shape, chunk_grid: grid, chunk_key_encoding: key };
  write(join(store, name, "zarr.json"), JSON.stringify({ ...common, ...fields, storage_transformers: [] }));
}

/** An array of numbers, chunked along its rows. */
export function array(
  store: string,
  name: string,
  values: Float32Array | Float64Array | Int8Array | Int32Array | BigInt64Array,
  shape: number[],
  chunk: number[],
  { type, fill }: { type: string; fill: number },
): void {
  metadata(store, name, shape, chunk, {
    data_type: type,
    fill_value: fill,
    codecs: [{ name: "bytes", configuration: { endian: "little" } }],
    attributes: { "encoding-type": "array", "encoding-version": "0.2.0" },
  });
  const [rows = 0, ...columns] = shape;
  const [chunkRows = 0] = chunk;
  const width = columns.reduce((product, size) => product * size, 1);
  for (let first = 0; first < rows; first += chunkRows) {
    // zarr writes chunks at the edge in full size.
    const bytes = Buffer.alloc(chunkRows * width * values.BYTES_PER_ELEMENT);
    const part = values.subarray(first * width, (first + chunkRows) * width);
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    write(join(store, name, "c", String(first / chunkRows), ...columns.map(() => "0")), bytes);
  }
}

function strings(store: string, name: string, values: readonly string[]): void {
  metadata(store, name, [values.length], [values.length], {
    data_type: "string",
    fill_value: "",
    codecs: [{ name: "vlen-utf8" }],
    attributes: { "encoding-type": "string-array", "encoding-version": "0.2.0" },
  });
  if (values.length === 0) return;
  const encoded = values.map((value) => Buffer.from(value, "utf8"));
  const bytes = Buffer.alloc(4 + encoded.reduce((sum, value) => sum + 4 + value.length, 0));
  let at = bytes.writeUInt32LE(values.length, 0);
  for (const value of encoded) {
    at = bytes.writeUInt32LE(value.length, at);
    at += value.copy(bytes, at);
  }
  write(join(store, name, "c", "0"), bytes);
}

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
