/** The page: its form, and how results are shown. The mapping itself is the worker's. */

import type { Asked, Job, Mapped, Told } from "./messages.js";
import { asCsv, binned, bytes, counted } from "./results.js";
import { colour, Scatter } from "./scatter.js";

/** Rows of the table of cells. */
const PAGE = 50;
const STAGES: Record<string, string> = {
  route: "Looking for the lists of each cell",
  fetch: "Fetching lists",
  select: "Choosing rows by their codes",
  join: "Comparing cells",
  transfer: "Transferring columns",
};

function element<Kind extends Element>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as unknown as Kind;
}

const text = (id: string): string => element<HTMLInputElement>(id).value.trim();
/** None where one stopped: the next job has another. */
let worker: Worker | undefined = started();
const ask = (asked: Asked): void => {
  worker ??= started();
  worker.postMessage(asked);
};

let chosen: File | undefined;
let scatter: Scatter | undefined;
let saved = "";
let showCells = (_: number): void => {};

function say(sentence: string, failed = false): void {
  const state = element<HTMLElement>("state");
  state.textContent = sentence;
  state.classList.toggle("failed", failed);
}

function working(is: boolean): void {
  element<HTMLButtonElement>("map").disabled = is;
  element<HTMLButtonElement>("cancel").disabled = !is;
}

function choose(file: File | undefined): void {
  chosen = file;
  element<HTMLOutputElement>("chosen").textContent = file ? `${file.name}, ${bytes(file.size)}` : "";
}

function begin(): void {
  if (!chosen) return;
  const [index, reference, label] = [text("index"), text("reference"), text("label")];
  const more = { embedding: text("embedding"), rep: text("rep"), nprobe: Number(text("nprobe")) };
  const job: Job = { file: chosen, index, reference, label, ...more };
  element<HTMLElement>("results").hidden = true;
  working(true);
  say("Reading the query.");
  ask({ map: job });
}

function row(table: string, cells: (string | Node)[]): void {
  const line = document.createElement("tr");
  for (const [number, content] of cells.entries()) {
    const cell = document.createElement(number === 0 ? "th" : "td");
    if (number === 0) cell.setAttribute("scope", "row");
    cell.append(content);
    line.append(cell);
  }
  element<HTMLTableElement>(table).tBodies[0]?.append(line);
}

function empty(table: string): void {
  element<HTMLTableElement>(table).tBodies[0]?.replaceChildren();
}

/** Labels as a table. Returns the colour of each: the most frequent have colours of their own. */
function showLabels(mapped: Mapped): Map<number, number> {
  empty("labels");
  const colours = new Map<number, number>();
  for (const { code, label, cells, confidence } of counted(mapped)) {
    colours.set(code, code < 0 ? -1 : colours.size);
    const name = document.createElement("span");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour(colours.get(code) ?? -1);
    name.append(swatch, label);
    row("labels", [name, String(cells), code < 0 ? "" : confidence.toFixed(3)]);
  }
  return colours;
}

/** Bars as SVG, and the same numbers as a table. */
function showConfidence(mapped: Mapped): void {
  const bins = binned(mapped);
  const most = Math.max(1, ...bins);
  const names = bins.map((_, bin) => `${(bin / 10).toFixed(1)} to ${((bin + 1) / 10).toFixed(1)}`);
  empty("bins");
  for (const [bin, count] of bins.entries()) row("bins", [names[bin] ?? "", String(count)]);
  const make = (name: string, attributes: Record<string, string | number>): SVGElement => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    return made;
  };
  const label = `Histogram of confidence: ${bins.map((count, bin) => `${names[bin]}: ${count}`).join(", ")} cells`;
  const drawing = make("svg", { viewBox: "0 0 500 200", role: "img", "aria-label": label });
  for (const [bin, count] of bins.entries()) {
    const height = (170 * count) / most;
    drawing.append(make("rect", { x: bin * 50 + 3, y: 175 - height, width: 44, height, fill: "#0072b2" }));
    const tick = make("text", { x: bin * 50 + 2, y: 193, "font-size": 12 });
    tick.textContent = (bin / 10).toFixed(1);
    drawing.append(tick);
  }
  element<HTMLElement>("histogram").replaceChildren(drawing);
}

function told(mapped: Mapped, cell: number): [name: string, label: string, confidence: string, distance: string] {
  const { names, labels, distances, k } = mapped;
  const code = labels.codes[cell] ?? -1;
  const number = (value = Number.NaN, digits = 3) => (Number.isNaN(value) ? "" : value.toFixed(digits));
  const confidence = code < 0 ? "" : number(labels.confidence[cell]);
  return [names[cell] ?? "", labels.categories[code] ?? "no label", confidence, number(distances[cell * k], 4)];
}

function showTable(mapped: Mapped): void {
  const count = mapped.names.length;
  let first = 0;
  showCells = (step) => {
    first = Math.max(0, Math.min(first + step * PAGE, Math.floor((count - 1) / PAGE) * PAGE));
    const last = Math.min(first + PAGE, count);
    const caption = element<HTMLTableElement>("cells").caption;
    if (caption) caption.textContent = `Cells ${first + 1} to ${last} of ${count}`;
    empty("cells");
    for (let cell = first; cell < last; cell += 1) row("cells", told(mapped, cell));
    element<HTMLButtonElement>("before").disabled = first === 0;
    element<HTMLButtonElement>("after").disabled = last === count;
  };
  showCells(0);
}

function show(mapped: Mapped): void {
  element<HTMLElement>("results").hidden = false;
  const colours = showLabels(mapped);
  showConfidence(mapped);
  showTable(mapped);
  scatter?.close();
  scatter = undefined;
  element<HTMLElement>("map-of-cells").hidden = mapped.places === null;
  if (mapped.places) {
    const tell = (cell: number) => told(mapped, cell).slice(0, 3).join(", ");
    const here = element<HTMLElement>("here");
    here.textContent = "";
    const codes = Int32Array.from(mapped.labels.codes, (code) => colours.get(code) ?? -1);
    const points = { places: mapped.places, codes, tell };
    scatter = new Scatter(element("scatter"), points, (sentence) => {
      here.textContent = sentence;
    });
  }
  URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(new Blob([asCsv(mapped)], { type: "text/csv" }));
  element<HTMLAnchorElement>("save").href = saved;
  const { directory, probed, fetched, index, columns } = mapped.traffic;
  const lists = `${bytes(fetched)} of ${bytes(index)} were fetched for lists that have ${bytes(probed)}`;
  say(
    `${mapped.names.length} cells are mapped. ${lists}, ${bytes(directory)} to find them, and ${bytes(columns)} of columns.`,
  );
}

/** A worker. One that ends, or cannot be begun, is said to have. */
function started(): Worker {
  const made = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  made.addEventListener("message", hear);
  const broken = (why: string): void => {
    made.terminate();
    worker = undefined;
    working(false);
    say(`The mapping's worker stopped: ${why}.`, true);
  };
  made.addEventListener("error", ({ message }) => broken(message || "its script cannot be loaded"));
  made.addEventListener("messageerror", () => broken("what it said cannot be read"));
  return made;
}

function hear({ data }: MessageEvent<Told>): void {
  if ("progress" in data) {
    const { stage, done, total } = data.progress;
    say(`${STAGES[stage] ?? stage}.`);
    element<HTMLProgressElement>("progress").value = total > 0 ? done / total : 1;
    return;
  }
  working(false);
  element<HTMLProgressElement>("progress").value = "mapped" in data ? 1 : 0;
  if ("mapped" in data) show(data.mapped);
  else if (data.failed.code === "GM_CANCELLED") say("The mapping was cancelled.");
  else say([data.failed.message, data.failed.hint].filter(Boolean).join(". Hint: "), true);
}

element<HTMLFormElement>("form").addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
element<HTMLInputElement>("file").addEventListener("change", ({ target }) =>
  choose((target as HTMLInputElement).files?.[0]),
);
element<HTMLButtonElement>("cancel").addEventListener("click", () => ask({ cancel: true }));
element<HTMLButtonElement>("before").addEventListener("click", () => showCells(-1));
element<HTMLButtonElement>("after").addEventListener("click", () => showCells(1));

const drop = element<HTMLElement>("drop");
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const input = element<HTMLInputElement>("file");
  if (event.dataTransfer?.files[0]) input.files = event.dataTransfer.files;
  choose(event.dataTransfer?.files[0]);
});
// An address may say what is mapped onto: ?index=…&reference=…&label=…
for (const [key, value] of new URLSearchParams(location.search)) {
  if (["index", "reference", "label", "embedding", "rep", "nprobe"].includes(key))
    element<HTMLInputElement>(key).value = value;
}
