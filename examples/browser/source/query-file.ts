/**
 * Query cells of a file: `.npy` (a matrix of f32 or f64), `.csv` (a row for each cell, its name first, then numbers, below a line of
 * titles), or an AnnData store as `.zarr.zip`.
 */

import ZipFileStore from "@zarrita/storage/zip";
import * as zarr from "zarrita";

/** The first bytes of `.npy`: 0x93, then `NUMPY`. */
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Cells and their names. */
export interface QueryCells {
  x: Float32Array;
  shape: [rows: number, columns: number];
  names: string[];
}

/** Reads a file by the ending of its name. */
export async function read(file: File, rep: string): Promise<QueryCells> {
  if (/\.npy$/i.test(file.name)) return npy(await file.arrayBuffer(), file.name);
  if (/\.csv$/i.test(file.name)) return csv(await file.text(), file.name);
  if (/\.zip$/i.test(file.name)) return await zip(file, rep);
  throw new Error(`${file.name}: give a .zarr.zip, .npy or .csv`);
}

function numbered(rows: number): string[] {
  return Array.from({ length: rows }, (_, row) => String(row));
}

/** NumPy's own format, versions 1 to 3. */
function npy(bytes: ArrayBuffer, name: string): QueryCells {
  const view = new DataView(bytes);
  if (bytes.byteLength < 12 || !MAGIC.every((byte, at) => view.getUint8(at) === byte))
    throw new Error(`${name}: it is no .npy file`);
  const long = view.getUint8(6) > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.slice(start, start + length));
  const [, type = ""] = /'descr':\s*'([^']+)'/.exec(header) ?? [];
  const [, rows = "", columns = ""] = /'shape':\s*\((\d+),\s*(\d+)\)/.exec(header) ?? [];
  if (columns === "") throw new Error(`${name}: it holds no matrix of cells and columns`);
  if (!["<f4", "<f8"].includes(type)) throw new Error(`${name}: its numbers are ${type}, not <f4 or <f8`);
  if (/'fortran_order':\s*True/.test(header))
    throw new Error(`${name}: it lies column by column: save np.ascontiguousarray of it`);
  const shape: [number, number] = [Number(rows), Number(columns)];
  const data = bytes.slice(start + length);
  const expected = shape[0] * shape[1] * (type === "<f4" ? 4 : 8);
  if (data.byteLength !== expected)
    throw new Error(`${name}: it has ${data.byteLength} bytes of numbers instead of ${expected}`);
  const values = type === "<f4" ? new Float32Array(data) : Float32Array.from(new Float64Array(data));
  return { x: values, shape, names: numbered(shape[0]) };
}

/** Numbers between commas; a field that is no number is NaN, and its cell is mapped onto none. */
function csv(text: string, name: string): QueryCells {
  const [titles, ...lines] = text.split(/\r?\n/).filter((line) => line !== "");
  const columns = (titles ?? "").split(",").length - 1;
  if (columns < 1 || lines.length === 0) throw new Error(`${name}: it has no cells with a name and numbers`);
  const x = new Float32Array(lines.length * columns);
  const names = lines.map((line, row) => {
    const [cell = "", ...fields] = line.split(",");
    if (fields.length !== columns)
      throw new Error(`${name}: line ${row + 2} has ${fields.length} numbers, not ${columns}`);
    for (const [column, field] of fields.entries()) {
      x[row * columns + column] = field.trim() === "" ? Number.NaN : Number(field);
    }
    return cell.replace(/^"(.*)"$/, "$1");
  });
  return { x, shape: [lines.length, columns], names };
}

/** `obsm/<rep>` and the names of cells, of a store at the root of an archive or in its only folder. */
async function zip(file: File, rep: string): Promise<QueryCells> {
  const transformEntries: Parameters<typeof ZipFileStore.fromBlob>[1] = {
    transformEntries: (entries) => {
      const keys = Object.keys(entries);
      // A store at the root may have an obsm in one of its groups.
      const inside = keys.find((key) => /^[^/]+\/obsm\//.test(key));
      if (!inside || keys.some((key) => /^(zarr\.json|\.zgroup)$|^obsm\//.test(key))) return entries;
      const folder = inside.slice(0, inside.indexOf("/") + 1);
      const own = Object.entries(entries).filter(([key]) => key.startsWith(folder));
      return Object.fromEntries(own.map(([key, entry]) => [key.slice(folder.length), entry]));
    },
  };
  const root = zarr.root(ZipFileStore.fromBlob(file, transformEntries));
  const array = await zarr.open(root.resolve(`obsm/${rep}`), { kind: "array" }).catch(() => {
    throw new Error(`${file.name}: it has no obsm/${rep}`);
  });
  const { data, shape } = await zarr.get(array);
  const [rows = 0, columns = 0] = shape;
  if (shape.length !== 2) throw new Error(`${file.name}: obsm/${rep} is no matrix`);
  if (!array.is("number") && !array.is("bigint"))
    throw new Error(`${file.name}: obsm/${rep} has values of type ${array.dtype}, which are no numbers`);
  // Whole numbers of 64 bits become the nearest.
  const x = data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number);
  return { x, shape: [rows, columns], names: await names(root, rows) };
}

async function names(root: zarr.Location<zarr.AsyncReadable>, rows: number): Promise<string[]> {
  try {
    const obs = await zarr.open(root.resolve("obs"), { kind: "group" });
    const index = String(obs.attrs["_index"] ?? "_index");
    const { data } = await zarr.get(await zarr.open(obs.resolve(index), { kind: "array" }));
    return Array.from(data as ArrayLike<unknown>, String);
  } catch {
    return numbered(rows);
  }
}
