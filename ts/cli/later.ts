/**
 * Options that CellMapper has and this version has not yet. They are parsed, so that a script written for them gets a
 * plain answer (`GM_UNSUPPORTED`, exit 3) instead of "unknown option". An option leaves this table when it arrives.
 */

import { type Command, Option } from "commander";
import { GigamapperError } from "../errors.js";

const LATER = ["--presence", "--presence-groupby <key>", "--reference-output <path>", "--keep-xx"].map((flags) =>
  new Option(flags).hideHelp(),
);

/** Lets the command parse them. */
export function addLater(command: Command): Command {
  for (const option of LATER) command.addOption(option);
  return command;
}

/** Refuses the first one that was given. */
export function refuseLater(options: object): void {
  const given = LATER.find((option) => Object.hasOwn(options, option.attributeName()));
  if (!given) return;
  const what = `${given.long} in this version`;
  throw new GigamapperError(
    "GM_UNSUPPORTED",
    `${what} is not supported`,
    { what },
    { hint: `leave ${given.long} out` },
  );
}
