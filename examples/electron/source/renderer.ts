/** The window: two stores, a column, and a bar. It has the six functions of the preload script and a document. */

import type { Api } from "./protocol.js";

declare global {
  interface Window {
    gigamapper: Api;
  }
}

const { gigamapper } = window;
const element = <Kind extends HTMLElement>(id: string): Kind => document.getElementById(id) as Kind;
const [query, reference] = [element<HTMLButtonElement>("query"), element<HTMLButtonElement>("reference")];
const [column, start, stop] = [
  element<HTMLSelectElement>("column"),
  element<HTMLButtonElement>("start"),
  element<HTMLButtonElement>("stop"),
];
const [bar, talk] = [element<HTMLProgressElement>("bar"), element<HTMLElement>("talk")];
const say = (text: string): void => {
  talk.textContent = text;
};
const chosen: { query?: string; reference?: string } = {};
let running: number | undefined;

query.onclick = async () => {
  const path = await gigamapper.choose();
  if (path) query.textContent = chosen.query = path;
};

reference.onclick = async () => {
  const path = await gigamapper.choose();
  if (!path) return;
  try {
    const { obs, nObs } = await gigamapper.inspect(path);
    reference.textContent = chosen.reference = path;
    column.replaceChildren(...Object.keys(obs).map((name) => new Option(name)));
    say(`${nObs} reference cells`);
  } catch (error) {
    say(String(error));
  }
};

start.onclick = async () => {
  if (!chosen.query || !chosen.reference) return;
  const { query, reference } = chosen;
  const output = `${query.replace(/[\\/]$/, "")}.mapped.zarr`;
  const mapping = { query, reference, obsKeys: [column.value], output };
  try {
    const { estimatedSeconds } = await gigamapper.plan(mapping);
    say(`about ${Math.ceil(estimatedSeconds)} s`);
    const report = await gigamapper.map(
      mapping,
      ({ done, total }) => {
        bar.value = total > 0 ? done / total : 0;
      },
      (call) => {
        running = call;
      },
    );
    const { k, distances } = await gigamapper.firstRows(report.output, 1);
    say(
      `${report.output}: ${report.statusCounts["ok"]} cells; the first one's ${k} neighbors begin at ${distances[0]}`,
    );
  } catch (error) {
    say(String(error));
  } finally {
    running = undefined;
  }
};

stop.onclick = () => running !== undefined && gigamapper.cancel(running);
