/** A dated record of a benchmark: JSON with everything, and a page of Markdown with what people look for. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MIB = 2 ** 20;

const number = (value, places = 2) =>
  value === undefined || value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: places });
const share = (value) => (value === undefined || value === null ? "–" : value.toFixed(5));

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function runsTable(runs, rows) {
  const stages = [...new Set(runs.flatMap((run) => run.report.stages.map(({ stage }) => stage)))];
  const of = (run, stage) =>
    run.report.stages.filter((one) => one.stage === stage).reduce((sum, one) => sum + one.seconds, 0);
  const head = [
    "side",
    "memory",
    "whole s",
    "call s",
    "core s",
    "rows/s",
    "peak MiB",
    "planned MiB",
    "disk GB",
    "read GB, by calls",
    "from disk",
    "recall by the report",
    "lists, mean",
  ];
  const line = (run) => [
    run.side,
    run.memory,
    number(run.whole),
    number(run.seconds),
    number(run.report.seconds),
    number(rows / run.report.seconds, 0),
    number(run.peak && run.peak / MIB, 0),
    number(run.report.plan.memory.planned / MIB, 0),
    number(run.diskPeak / 1e9, 2),
    number(run.bytesRead && run.bytesRead.called / 1e9, 2),
    number(run.bytesRead && run.bytesRead.fetched / 1e9, 2),
    share(run.report.recall.measured),
    number(run.report.recall.meanNprobe, 1),
  ];
  const seconds = table(
    ["side", ...stages],
    runs.map((run) => [run.side, ...stages.map((stage) => number(of(run, stage)))]),
  );
  return `${table(head, runs.map(line))}\n\nSeconds by stage:\n\n${seconds}`;
}

function checksTable(found) {
  const lines = Object.keys(found.labels).map((key) => [
    key,
    share(found.agreement[key]),
    share(found.labels[key].accuracy),
    share(found.exactLabels[key].accuracy),
    share(found.labels[key].f1Macro),
    `${share(found.labels[key].rareRecall)} of ${number(found.labels[key].rareCells, 0)}`,
  ]);
  const head = [
    "labels",
    "as exact, of the sample",
    "accuracy, all cells",
    "accuracy of exact, sample",
    "macro F1",
    "rare classes found",
  ];
  const recall = `Recall of ${number(found.sample, 0)} sampled cells against the exact join: **${share(found.recall)}**; the exact join took ${number(found.exactSeconds)} s.`;
  return lines.length > 0 ? `${recall}\n\n${table(head, lines)}` : recall;
}

/** Writes `<date>-bench-<name>.json` and `.md` into a folder; returns the path of the latter. */
export function record(folder, result) {
  mkdirSync(folder, { recursive: true });
  const { definition, machine, runs, checks, overhead, wrong, date, command } = result;
  const stem = join(folder, `${date}-bench-${definition.name}`);
  writeFileSync(`${stem}.json`, `${JSON.stringify(result, null, 2)}\n`);
  const facts = Object.entries(machine).map(
    ([name, value]) => `${name} ${Array.isArray(value) ? value.join(" ") : value}`,
  );
  const rows = (definition.query ?? definition.reference).rows;
  const digests = runs.map((run) => `${run.side} in ${run.memory}: ${run.digest ?? "not taken"}`);
  const cost = overhead
    ? `The library's call took ${number(overhead.call * 100)} % longer than the core's in Rust (medians of ${overhead.rounds} each), start to exit ${number(overhead.whole)} s more.`
    : "One side only was run: nothing is said about what the binding costs.";
  const text = `# ${date}: ${definition.name}

${definition.about}

\`${command}\`, cells and request as in \`bench/definitions/${definition.name}.json\`. ${wrong.length === 0 ? "The contract was kept." : `**Not kept: ${wrong.join("; ")}.**`}

Machine: ${facts.join(" · ")}

${runsTable(runs, rows)}

${cost}

${checksTable(checks)}

SHA-256 over the output: ${digests.join("; ")}.
`;
  writeFileSync(`${stem}.md`, text);
  return `${stem}.md`;
}
