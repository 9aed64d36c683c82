/** What all commands share: how they talk, how they are stopped, how they fail. */

import { type Command, Option } from "commander";
import { exitCode, tell } from "./exit.js";
import { interrupt } from "./interrupt.js";
import { type Manner, Terminal } from "./terminal.js";

/** What a command works with. */
export interface Context {
  terminal: Terminal;
  /** Fires at Ctrl-C and SIGTERM. */
  signal: AbortSignal;
}

/** Adds the options of every command. */
export function addManner(command: Command): Command {
  return command
    .option("--json", "print the result (and errors) as JSON")
    .addOption(
      new Option("--progress <how>", "how progress is shown on stderr")
        .choices(["auto", "bar", "plain", "ndjson", "none"])
        .default("auto"),
    )
    .option("-q, --quiet", "print nothing but data and errors")
    .option("-v, --verbose", "say more; twice for stack traces", (_: string, before: number) => before + 1, 0);
}

/** Sets what a command does. A failure is told here and becomes the exit code. */
export function setAction<Options extends Manner>(
  command: Command,
  body: (context: Context, options: Options, args: string[]) => Promise<void>,
): void {
  command.action(async () => {
    const options = command.opts<Options>();
    const terminal = new Terminal(options);
    using stop = interrupt(terminal);
    try {
      await body({ terminal, signal: stop.signal }, options, command.args);
    } catch (error) {
      tell(error, terminal);
      process.exitCode = exitCode(error, stop.received());
    }
  });
}
