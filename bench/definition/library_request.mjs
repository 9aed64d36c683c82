/**
 * A request carried out through the library: `node bench/definition/library_request.mjs map|neighbors|rechunk REQUEST.json`. What
 * `crates/knn-core/examples/run_request.rs` does with the core alone. Prints the report, and the seconds from reading the request to it.
 */

import { readFileSync } from "node:fs";

const [verb, file] = process.argv.slice(2);
const began = performance.now();
const { Kernel, map, rechunk } = await import("../../dist/index.js");
const request = JSON.parse(readFileSync(file, "utf8"));

async function carriedOut() {
  if (verb === "map") return await map(request);
  if (verb === "rechunk") {
    const { input, ...options } = request;
    return await rechunk(input, options);
  }
  if (verb !== "neighbors") throw new Error(`there is no verb ${verb}`);
  const { query, reference, ...options } = request;
  return await new Kernel(query, reference).computeNeighbors(options);
}

const report = await carriedOut();
process.stdout.write(JSON.stringify({ report, seconds: (performance.now() - began) / 1000 }));
