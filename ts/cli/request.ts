/**
 * The options of a mapping on the command line, and the request they make, over a configuration file where one is
 * given. No defaults and no checks beyond spelling: those are the core's.
 */

import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { GigamapperError, wrongParameter } from "../errors.js";
import type { LayoutRequest, MapRequest } from "../generated.js";
import { addLater, refuseLater } from "./later.js";
import type { Manner } from "./terminal.js";

/** The parsed options: the request's own fields, and how to talk. */
export type RequestOptions = Partial<MapRequest> & Manner & { config?: string };

/** Adds every field of the request. */
export function addRequest(command: Command): Command {
  command
    .option("--query <path>", "query cells: an AnnData zarr folder")
    .option("--reference <path>", "reference cells; none is self-mapping")
    .option("--output <path>", "where the mapped AnnData goes")
    .option("--use-rep <key>", "representation in obsm of both (default: X_pca)")
    .option("--obs-keys <keys>", "obs columns to transfer, comma-separated", list)
    .option("--obsm-keys <keys>", "obsm keys to transfer, comma-separated", list)
    .option("--n-neighbors <n>", "neighbors per cell; in self-mapping with the cell itself (default: 30)", number)
    .option("--kernel-method <name>", "how distances become weights (default: gauss)")
    .option("--bandwidth <sigma>", "pin the kernel's bandwidth (default: mean of all valid distances)", number)
    .option("--symmetrize [how]", "max, mean or none (default: none)")
    .option("--self-edges", "let a cell vote for itself (default in self-mapping)")
    .option("--no-self-edges", "do not")
    .option("--probabilities <which>", "none, or all: store the weight of every category (default: none)")
    .option("--prediction-postfix <text>", "suffix of predicted columns (default: pred)")
    .option("--confidence-postfix <text>", "suffix of confidence columns (default: conf)")
    .option("--method <name>", "auto or exact (default: auto)")
    .option("--metric <name>", "distance (default: euclidean)")
    .option("--backend <name>", "auto or cpu (default: auto)")
    .option("--memory <size>", "memory budget, such as 4GiB (default: a quarter of the machine's)")
    .option("--threads <n>", "worker threads (default: all cores)", number)
    .option("--resume", "continue an interrupted run of the same request")
    .option("--overwrite", "replace an earlier mapped store")
    .option("--config <file>", "read options from a JSON file; those given here win")
    .addOption(
      new Option("--layout <rows>", "rows per inner chunk, chunks per unit, rows per part")
        .argParser(layout)
        .hideHelp(),
    );
  return addLater(command);
}

/** The request that the options and the configuration file make together. */
export async function readRequest(options: RequestOptions): Promise<MapRequest> {
  refuseLater(options);
  const { config, json: _json, quiet: _quiet, verbose: _verbose, progress: _progress, ...given } = options;
  const symmetrize = (given.symmetrize as string | true | undefined) === true ? { symmetrize: "max" } : {};
  const request = { ...(config === undefined ? {} : await readConfig(config)), ...given, ...symmetrize };
  if (request.query === undefined) throw wrongParameter("query", "", "name the query store with --query");
  return request as MapRequest;
}

async function readConfig(path: string): Promise<Partial<MapRequest>> {
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
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [camel(name), value]));
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

function list(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}

function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("It must be a number.");
  return value;
}

function layout(text: string): LayoutRequest {
  const [innerRows, innerPerUnit, partRows, ...more] = text.split(",").map(number);
  if (innerRows === undefined || innerPerUnit === undefined || partRows === undefined || more.length > 0) {
    throw new InvalidArgumentError("It must be three numbers.");
  }
  return { innerRows, innerPerUnit, partRows };
}
