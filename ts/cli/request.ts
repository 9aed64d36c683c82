/** The request that options make, over a configuration file where one is given. */

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { GigamapperError, wrongParameter } from "../errors.js";
import type { MapRequest } from "../generated.js";
import { addLater, refuseLater } from "./later.js";
import { addLayout, addLists, addProfile, addRun, addSearch, addSides, addTransfer } from "./options.js";
import type { Manner } from "./terminal.js";

/** Parsed options: fields of a request, and how to talk. */
export type Given<Request> = Partial<Request> & Manner & { config?: string };

/** Adds every field of a mapping. */
export function addMapping(command: Command): Command {
  addRun(addLists(addSearch(addTransfer(addSides(command)))), "where the mapped AnnData goes");
  return addLater(addLayout(addProfile(command)));
}

/** Adds every field of a graph. */
export function addGraph(command: Command): Command {
  const run = addRun(addLists(addSearch(addSides(command))), "where the AnnData with the graph goes");
  return addLayout(addProfile(run));
}

/** The fields that the options and the configuration file give together. The core says what is missing or unknown. */
export async function readRequest<Request extends object>(options: Given<Request>): Promise<Partial<Request>> {
  const { config, json: _json, quiet: _quiet, verbose: _verbose, progress: _progress, ...given } = options;
  const file = config === undefined ? {} : await readConfig(config);
  return { ...file, ...given } as Partial<Request>;
}

/** The same of a mapping. */
export async function readMapping(options: Given<MapRequest>): Promise<MapRequest> {
  refuseLater(options);
  const request = withSymmetrize(await readRequest<MapRequest>(options));
  return { ...request, query: request.query ?? "" };
}

/** An option without its value says that both directions of an edge are made one, however that is done by default. */
export function withSymmetrize<Request extends { symmetrize?: string | undefined }>(request: Request): Request {
  return (request.symmetrize as string | true | undefined) === true ? { ...request, symmetrize: "max" } : request;
}

async function readConfig(path: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const details = { store: path, kind: "configuration file", key: path, available: [] };
    throw new GigamapperError("GM_NOT_FOUND", `${path}: the configuration file cannot be read`, details, { cause });
  }
  const parsed = parse(path, text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw wrongParameter("config", path, "must hold one JSON object");
  }
  // CellMapper's snake_case names are the same options: in one spelling, those of the command line can win.
  // `$schema` is for editors.
  const fields = Object.entries(parsed).filter(([name]) => name !== "$schema");
  return Object.fromEntries(fields.map(([name, value]) => [camel(name), value]));
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw wrongParameter("config", path, `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
