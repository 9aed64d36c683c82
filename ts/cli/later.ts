/**
 * Options of CellMapper's mapping that are commands of their own here. They are parsed, so that a script written for them gets a
 * plain answer (`GM_UNSUPPORTED`, exit 3) that names the command, instead of "unknown option".
 */

import { type Command, Option } from "commander";
import { GigamapperError } from "../errors.js";

/** Each with the command that does it, behind the mapping. */
const ELSEWHERE: readonly (readonly [flags: string, does: string])[] = [
  ["--presence", "gigamapper presence --neighbors MAPPED --reference ATLAS --output SCORES"],
  [
    "--presence-groupby <key>",
    "gigamapper presence --neighbors MAPPED --reference ATLAS --groupby KEY --query QUERY --output SCORES",
  ],
  ["--reference-output <path>", "gigamapper presence --neighbors MAPPED --reference ATLAS --output PATH"],
  ["--keep-xx", "gigamapper neighbors --graphs yx,xx"],
];

const OPTIONS = ELSEWHERE.map(([flags, does]) => ({ option: new Option(flags).hideHelp(), does }));

/** Lets the command parse them. */
export function addLater(command: Command): Command {
  for (const { option } of OPTIONS) command.addOption(option);
  return command;
}

/** Refuses the first one that was given, and says what does it. */
export function refuseLater(options: object): void {
  const given = OPTIONS.find(({ option }) => Object.hasOwn(options, option.attributeName()));
  if (!given) return;
  const what = `${given.option.long} of a mapping`;
  throw new GigamapperError(
    "GM_UNSUPPORTED",
    `${what} is not supported`,
    { what },
    { hint: `leave it out: ${given.does} does it` },
  );
}
