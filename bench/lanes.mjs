/**
 * The distance tile as WebAssembly in Node, on one core: 192 queries against 8 192 references at d = 50, with limits that few pairs reach.
 * Lanes take turns; the median of seven is told, in billions of pairs a second.
 *
 *     node bench/lanes.mjs
 */

import { module } from "../scripts/lanes.mjs";

const ROUNDS = 7;
const TIMES = 50;

const built = await module();
if (!built) throw new Error("no compiler for WebAssembly");
const speeds = built.names.map(() => []);
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [lane, found] of speeds.entries()) {
    const began = performance.now();
    const pairs = built.exports.scan(lane, TIMES);
    const speed = Number(pairs) / (performance.now() - began) / 1e6;
    if (round > 0) found.push(speed); // The first one is compiled meanwhile.
  }
}
for (const [lane, found] of speeds.entries()) {
  found.sort((a, b) => a - b);
  process.stdout.write(`${built.names[lane].padEnd(8)} ${found[ROUNDS >> 1].toFixed(3)} Gpair/s\n`);
}
