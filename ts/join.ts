/**
 * A copy of a query with the predictions in it. Arrays go over as they are, files and all: both are zarr v3, so nothing is decoded,
 * and what the copy holds is to the byte what its two sources hold. What an earlier mapping has left in the query stays, but for its record in
 * `uns`: the copy has that of the mapping whose results it is given. Not here: renaming it to where it belongs (`export.ts`).
 */

import { existsSync } from "node:fs";
import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChosenCopy } from "./chosen-copy.js";
import { GigamapperError } from "./errors.js";
import { attributesOf, columnOf, type MappedStore, obsOf } from "./mapped.js";

/** What is joined, and where to. */
export interface Joining {
  mapped: MappedStore;
  query: string | undefined;
  /** A copy of the cells of `query` that were chosen, which is taken for the query's own; none for the query as it is. */
  chosen?: ChosenCopy | undefined;
  /** Columns, and embeddings as `obsm/<key>`; none for all that there are. */
  columns: readonly string[] | undefined;
  /** Where the copy goes; nothing is there. */
  part: string;
  /** Throws when the work is not wanted any more. */
  alive(): void;
}

/** Rows of names that are compared at once. */
const BLOCK_ROWS = 65_536;
/** What a mapping says of itself. */
const RECORD = "uns/gigamapper";

/** Copies `query` to `part`, or moves the copy of its chosen cells there, and adds columns and embeddings; returns what was added. */
export async function joinCopy(joining: Joining): Promise<string[]> {
  const { mapped, query: name = "", chosen, columns: named, part, alive } = joining;
  const query = chosen?.path ?? name;
  if (!existsSync(join(mapped.path, "obs"))) {
    throw unsupported("joining a store of many parts", "its parts dataset_0, dataset_1, … are AnnData of their own");
  }
  const { "encoding-type": encoding } = await attributesOf(query).catch((cause: unknown) => {
    if (!existsSync(query)) throw cause;
    throw unsupported(
      "joining into anything but a zarr v3 store in a folder",
      "export a table, or write the query as zarr v3",
    );
  });
  if (encoding !== "anndata") throw unsupported(`joining into ${name}, which is not one AnnData,`, null);
  await compareNames(mapped, [query, name], alive);

  const { columns: own } = await obsOf(query);
  const wanted = await asked(mapped, named);
  const columns = wanted.filter((name) => !isEmbedding(name));
  const kept = new Set([...own, ...(await embeddings(query))]);
  const twice = wanted.filter((name) => kept.has(name));
  if (twice.length > 0) {
    const reason = `the query has ${twice.join(", ")} already`;
    const hint = "name the columns to write, and embeddings as obsm/<key>: nothing else is copied then";
    throw new GigamapperError("GM_EXISTS", `${name}: ${reason}`, { path: name, reason }, { hint });
  }

  if (chosen) await rename(query, part);
  else await cp(query, part, { recursive: true });
  const added = wanted.map((name) => (isEmbedding(name) ? name : `obs/${name}`));
  const recorded = existsSync(join(mapped.path, RECORD));
  if (recorded) {
    await rm(join(part, RECORD), { recursive: true, force: true });
    added.push(RECORD);
  }
  for (const path of added) {
    alive();
    await cp(join(mapped.path, path), join(part, path), { recursive: true });
  }
  const order = [...own, ...columns];
  await change(join(part, "obs", "zarr.json"), (document) => withOrder(document, order));
  const nodes = await Promise.all([...added, ...(chosen?.added ?? [])].map((path) => documents(part, path)));
  const gone = recorded ? RECORD : null;
  await change(join(part, "zarr.json"), (document) => consolidated(document, Object.assign({}, ...nodes), gone, order));
  return wanted;
}

/** What of the results is copied: what is named, each once, or all. */
async function asked(mapped: MappedStore, named: readonly string[] | undefined): Promise<string[]> {
  const available = [...(await mapped.columns()), ...(await embeddings(mapped.path))];
  const unknown = named?.find((name) => !available.includes(name));
  if (unknown !== undefined) {
    const details = { store: mapped.path, kind: "column or embedding", key: unknown, available };
    throw new GigamapperError("GM_NOT_FOUND", `${mapped.path}: no column or embedding ${unknown}`, details, {
      hint: `there are ${available.join(", ")}`,
    });
  }
  return [...new Set(named ?? available)];
}

/** Both must have the same cells in the same order. */
async function compareNames(
  mapped: MappedStore,
  [query, name]: readonly [path: string, name: string],
  alive: () => void,
): Promise<void> {
  const rows = await mapped.length();
  const { index } = await obsOf(query);
  const { shape } = JSON.parse(await readFile(join(query, "obs", index, "zarr.json"), "utf8")) as { shape: number[] };
  const differ = (reason: string): GigamapperError =>
    new GigamapperError("GM_SHAPE", `${mapped.path} and ${name}: ${reason}`, {
      left: mapped.path,
      leftShape: [rows],
      right: name,
      rightShape: shape,
      reason,
    });
  if (shape[0] !== rows) throw differ(`${rows} and ${shape[0]} cells`);
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    alive();
    const range: [number, number] = [first, Math.min(first + BLOCK_ROWS, rows)];
    const [left, right] = await Promise.all([mapped.obs("", { rows: range }), columnOf(query, "", range)]);
    if (left.kind !== "string" || right.kind !== "string")
      throw unsupported("joining cells whose names are no strings", null);
    const at = left.values.findIndex((name, row) => name !== right.values[row]);
    if (at >= 0) throw differ(`cell ${first + at} is ${left.values[at]} in one and ${right.values[at]} in the other`);
  }
}

function withOrder(document: object, order: string[]): object {
  const { attributes } = document as { attributes?: object };
  return { ...document, attributes: { ...attributes, "column-order": order } };
}

/** The root with the nodes that were added, and without those at and below `gone`, where it knows its nodes; siblings stand together, as zarr-python
 * wants them. */
function consolidated(document: object, nodes: Record<string, object>, gone: string | null, order: string[]): object {
  const { consolidated_metadata: all } = document as { consolidated_metadata?: { metadata: Record<string, object> } };
  if (!all) return document;
  const { obs = {}, ...before } = all.metadata;
  const isGone = (path: string): boolean => gone !== null && (path === gone || path.startsWith(`${gone}/`));
  const others = Object.fromEntries(Object.entries(before).filter(([path]) => !isGone(path)));
  const depth = (path: string): number => path.split("/").length;
  const entries = Object.entries({ ...others, ...nodes, obs: withOrder(obs, order) }).sort(
    ([left], [right]) => depth(left) - depth(right) || (left < right ? -1 : 1),
  );
  return { ...document, consolidated_metadata: { ...all, metadata: Object.fromEntries(entries) } };
}

async function change(path: string, edit: (document: object) => object): Promise<void> {
  const document = JSON.parse(await readFile(path, "utf8")) as object;
  await writeFile(path, JSON.stringify(edit(document), null, 2));
}

/** The metadata of a node and of all below it, by path. */
async function documents(store: string, path: string): Promise<Record<string, object>> {
  const found: Record<string, object> = {};
  if (!existsSync(join(store, path, "zarr.json"))) return found;
  found[path] = JSON.parse(await readFile(join(store, path, "zarr.json"), "utf8")) as object;
  const entries = await readdir(join(store, path), { withFileTypes: true });
  for (const entry of entries.filter((one) => one.isDirectory())) {
    Object.assign(found, await documents(store, `${path}/${entry.name}`));
  }
  return found;
}

/** The embeddings of a store, as `obsm/<key>`. */
async function embeddings(store: string): Promise<string[]> {
  const names = await readdir(join(store, "obsm")).catch(() => []);
  return names
    .filter((name) => name !== "zarr.json" && !name.startsWith("."))
    .map((name) => `obsm/${name}`)
    .sort();
}

const isEmbedding = (name: string): boolean => name.startsWith("obsm/");

function unsupported(what: string, hint: string | null): GigamapperError<"GM_UNSUPPORTED"> {
  return new GigamapperError("GM_UNSUPPORTED", `${what} is not supported`, { what }, { hint });
}
