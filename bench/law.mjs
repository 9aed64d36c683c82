/**
 * How the defined benchmark grows, and what that says of the next size:
 *
 *   npm run bench:law -- [--set lid10-self] [--rows 1e9] [--records bench/record] [--cores 64] [--gpu 1e11]
 *
 * Reads the newest record of every size of one set of definitions (`bench/run.mjs` writes them) and prints a page of Markdown: what was
 * measured, the exponents between neighbouring sizes and over all of them, and a forecast. Nothing is run.
 *
 * The forecast carries the largest measured size on by the exponent of all sizes (least squares on logarithms), and its range by the
 * smallest and the largest exponent between two neighbouring sizes: two decades say no more than that. For other machines the work of a stage is
 * divided by the cores, or its pairs by what a GPU compares; both are assumptions, and are printed.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exponent, slopes } from "./definition/power_law.mjs";

const { values } = parseArgs({
  options: {
    set: { type: "string", default: "lid10-self" },
    rows: { type: "string", default: "1e9" },
    records: { type: "string", default: "bench/record" },
    cores: { type: "string", default: "64" },
    gpu: { type: "string", default: "1e11" },
  },
});
const [next, cores, gpu] = [Number(values.rows), Number(values.cores), Number(values.gpu)];

/** The newest record of each size, ascending. */
function records() {
  const names = readdirSync(values.records).filter((name) => name.endsWith(`-${values.set}.json`));
  const read = names.sort().map((name) => [name, JSON.parse(readFileSync(join(values.records, name), "utf8"))]);
  const newest = new Map(read.map(([name, record]) => [record.definition.reference.rows, { name, ...record }]));
  return [...newest.values()].sort((left, right) => left.definition.reference.rows - right.definition.reference.rows);
}

/** What one record says, as numbers that grow. */
function facts({ name, definition, runs, checks }) {
  const rows = definition.reference.rows;
  const fastest = runs.filter((run) => !run.extra).sort((left, right) => left.report.seconds - right.report.seconds)[0];
  const { report } = fastest;
  const { nlist } = report.plan.parameters.ivf;
  const stages = {};
  for (const { stage, seconds } of report.stages) stages[stage] = (stages[stage] ?? 0) + seconds;
  return {
    name,
    rows,
    nlist,
    recall: checks.recall,
    seconds: report.seconds,
    // Lists are taken for equally long: those that are visited are somewhat longer than the mean.
    pairsPerCell: (report.recall.meanNprobe * rows) / nlist,
    lists: report.recall.meanNprobe,
    peak: fastest.peak,
    disk: fastest.diskPeak,
    read: fastest.bytesRead?.called,
    threads: report.plan.threads,
    stages,
  };
}

const say = (text) => process.stdout.write(`${text}\n`);
const sizes = records().map(facts);
if (sizes.length < 2) throw new Error(`${values.records} has fewer than two sizes of ${values.set}`);
const last = sizes.at(-1);
const digits = (value, places = 1) =>
  value === undefined || value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: places });
const table = (head, lines) =>
  [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
const power = (rows) => `10${[..."⁰¹²³⁴⁵⁶⁷⁸⁹"][Math.round(Math.log10(rows))]}`;

say(`# How ${values.set} grows\n`);
say(`From ${sizes.map(({ name }) => `\`${values.records}/${name}\``).join(", ")}.\n`);
say(
  table(
    [
      "cells",
      "seconds",
      "rows/s",
      "of 10⁶",
      "lists",
      "lists seen, mean",
      "pairs a cell",
      "peak MiB",
      "disk GB",
      "read GB",
      "recall",
    ],
    sizes.map((size) => [
      power(size.rows),
      digits(size.seconds),
      digits(size.rows / size.seconds, 0),
      digits(size.rows / size.seconds / (sizes[0].rows / sizes[0].seconds), 2),
      digits(size.nlist, 0),
      digits(size.lists),
      digits(size.pairsPerCell, 0),
      digits(size.peak && size.peak / 2 ** 20, 0),
      digits(size.disk && size.disk / 1e9),
      digits(size.read && size.read / 1e9),
      size.recall.toFixed(4),
    ]),
  ),
);

/** Where a stage takes less of the largest size than this, its growth is noise. */
const NOTHING = 1e-5;
const stages = [...new Set(sizes.flatMap((size) => Object.keys(size.stages)))].filter(
  (stage) => (last.stages[stage] ?? 0) >= NOTHING * last.seconds,
);
const grown = [
  ["seconds, all", (size) => size.seconds],
  ...stages.map((stage) => [`seconds, ${stage}`, (size) => size.stages[stage]]),
  ["pairs a cell", (size) => size.pairsPerCell],
  ["peak memory", (size) => size.peak],
  ["disk", (size) => size.disk],
  ["read", (size) => size.read],
].map(([what, of]) => {
  const points = sizes.filter((size) => of(size) > 0).map((size) => [size.rows, of(size)]);
  return { what, points, between: slopes(points), overall: exponent(points) };
});
say("\n## Exponents\n\nOf y = a · nᵇ, between neighbouring sizes and by least squares over all.\n");
say(
  table(
    ["what", "b, between sizes", "b, all"],
    grown.map(({ what, between, overall }) => [
      what,
      between.map((slope) => slope.toFixed(2)).join(", ") || "–",
      overall === undefined ? "–" : overall.toFixed(2),
    ]),
  ),
);

const steps = next / last.rows;
const carried = ({ points, between, overall }) => {
  if (overall === undefined || points.at(-1)[0] !== last.rows) return undefined;
  const [, value] = points.at(-1);
  const by = (slope) => value * steps ** slope;
  return { middle: by(overall), low: by(Math.min(...between, overall)), high: by(Math.max(...between, overall)) };
};
const whole = carried(grown[0]);
const hours = (seconds) => digits(seconds / 3600);
say(`\n## Forecast for ${power(next)} cells\n`);
say(
  `On the machine of the records: **${hours(whole.middle)} hours** (${hours(whole.low)} to ${hours(whole.high)}), ${digits(next / whole.middle, 0)} rows/s (${digits(next / whole.high, 0)} to ${digits(next / whole.low, 0)}).\n`,
);
/** Stages whose work cores divide; the others write and read bytes. */
const WORK = ["index", "calibrate", "diffuse", "join", "repair", "transfer"];
/** Stages that compare queries with lists, which a GPU can do. */
const COMPARES = ["calibrate", "join"];
const pairs = carried(grown.find(({ what }) => what === "pairs a cell")).middle * next;
const compared = COMPARES.reduce((sum, stage) => sum + (last.stages[stage] ?? 0), 0);
const lines = stages.flatMap((stage) => {
  const forecast = carried(grown.find(({ what }) => what === `seconds, ${stage}`));
  if (!forecast) return [];
  const many = WORK.includes(stage) ? (forecast.middle * last.threads) / cores : forecast.middle;
  const device = COMPARES.includes(stage) ? ((pairs / gpu) * last.stages[stage]) / compared : many;
  return [
    [stage, hours(forecast.middle), `${hours(forecast.low)} to ${hours(forecast.high)}`, hours(many), hours(device)],
  ];
});
say(table(["stage", `hours, ${last.threads} cores`, "range", `${cores} cores`, `${cores} cores, a GPU`], lines));
say(
  `\nArithmetic, not measurement: ${cores} cores divide the work of ${WORK.join(", ")} evenly; what else there is takes as long as on this disk; a GPU compares ${digits(gpu / 1e9, 0)} billion pairs a second in ${COMPARES.join(" and ")}, of which this size has ${(pairs / 1e12).toFixed(0)} million million.`,
);
