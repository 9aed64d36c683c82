/**
 * A definition of a benchmark: the cells, the request and what is checked, from a JSON file of `bench/definitions`. The same words mean the
 * same cells and the same request on every machine, and whichever program runs it.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Fields of a definition, and which of them must be there. */
const FIELDS = { name: true, about: true, reference: true, query: false, request: true, check: true };
const CHECKS = { sample: true, recall: true, agreement: true, memory: false };

function refuse(path, reason) {
  throw new Error(`${path}: ${reason}`);
}

function checkFields(path, found, known, before) {
  if (typeof found !== "object" || found === null) refuse(path, `${before}is no object`);
  for (const field of Object.keys(found)) if (!(field in known)) refuse(path, `${before}${field} is no field`);
  for (const [field, must] of Object.entries(known)) {
    if (must && found[field] === undefined) refuse(path, `${before}${field} is missing`);
  }
}

/** Reads a definition, and refuses what it does not know: a word that is misspelt would be another benchmark. */
export function readDefinition(path) {
  const definition = JSON.parse(readFileSync(path, "utf8"));
  checkFields(path, definition, FIELDS, "");
  checkFields(path, definition.check, CHECKS, "check.");
  for (const store of ["reference", "query"]) {
    const rows = definition[store]?.rows;
    if (definition[store] && !Number.isSafeInteger(rows)) refuse(path, `${store}.rows must be a whole number`);
  }
  for (const set of ["query", "reference", "output"]) {
    if (definition.request[set] !== undefined) refuse(path, `request.${set} is set by whoever runs it`);
  }
  return definition;
}

/** Writes a file of generated cells, and returns its path. */
export function cellsFile(folder, name, cells) {
  const path = join(folder, `${name}.cells.json`);
  writeFileSync(path, JSON.stringify({ format: "gigamapper-cells", version: 1, ...cells }, null, 2));
  return path;
}

/** The stores of a definition in a folder: `{ query, reference }`, without the latter where cells are mapped onto themselves. */
export function stores(definition, folder) {
  const reference = cellsFile(folder, "reference", definition.reference);
  if (!definition.query) return { query: reference };
  return { query: cellsFile(folder, "query", definition.query), reference };
}

/** What is mapped: the cells of the query, which are those of the reference where there is none. */
export function queried(definition) {
  return definition.query ?? definition.reference;
}

/** Every so many-th cell of the query, as cells of their own: rows follow from their numbers alone, so a sample needs no more than a file. */
export function sampled(definition, folder) {
  const cells = queried(definition);
  const rows = Math.min(definition.check.sample, cells.rows);
  const stride = Math.max(1, Math.floor(cells.rows / rows));
  return { path: cellsFile(folder, "sample", { ...cells, rows, stride }), rows, stride };
}
