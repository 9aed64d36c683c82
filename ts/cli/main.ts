/** The command: its sub-commands, and what becomes of a command line that cannot be parsed. */

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { wrongParameter } from "../errors.js";
import { registerCapabilities } from "./capabilities.js";
import { registerClean } from "./clean.js";
import { registerCompletion } from "./completion.js";
import { registerDemo } from "./demo.js";
import { registerDiffuse } from "./diffuse.js";
import { registerDoctor } from "./doctor.js";
import { registerEval } from "./eval.js";
import { EXIT, tell } from "./exit.js";
import { registerExport } from "./export.js";
import { registerIndex } from "./index.js";
import { registerInspect } from "./inspect.js";
import { registerMap } from "./map.js";
import { registerNeighbors } from "./neighbors.js";
import { registerPca } from "./pca.js";
import { registerPlan } from "./plan.js";
import { registerPresence } from "./presence.js";
import { registerRechunk } from "./rechunk.js";
import { Terminal } from "./terminal.js";
import { registerTransfer } from "./transfer.js";
import { registerVerify } from "./verify.js";

/** Runs the command line `args` (without node and script) and returns the exit code. */
export async function main(args: string[]): Promise<number> {
  // A reader that closes the pipe early, such as `head`, has what it wanted.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  const json = args.includes("--json");
  const program = build(json);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.ok;
    if (json) tell(wrongParameter("arguments", args.join(" "), error.message), new Terminal({ json }));
    return EXIT.usage;
  }
  return Number(process.exitCode ?? EXIT.ok);
}

function build(json: boolean): Command {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("gigamapper")
    .description("Maps labels, numbers and embeddings from a reference atlas to query cells, from disk to disk.")
    .version(manifest.version)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => {
        if (!json) write(text);
      },
    })
    .addHelpText(
      "after",
      "\nFirst steps:\n" +
        "  gigamapper demo                                                                   real cells, mapped in a second\n" +
        "  gigamapper inspect atlas.h5ad                                                     what a store holds\n" +
        "  gigamapper plan --query query.h5ad --reference atlas.h5ad --obs-keys cell_type    what a mapping would cost\n" +
        "  gigamapper map --query query.h5ad --reference atlas.h5ad --obs-keys cell_type --output mapped.zarr\n" +
        "  gigamapper COMMAND --help                                                         options and more examples\n" +
        "\nExit codes: 0 ok, 1 failure, 2 usage, 3 input, 4 will not fit, 5 back end unavailable,\n" +
        "6 output exists or is stale, 75 stopped but resumable, 130 interrupted after a clean checkpoint.",
    );
  registerMap(program);
  registerNeighbors(program);
  registerTransfer(program);
  registerIndex(program);
  registerPca(program);
  registerPresence(program);
  registerEval(program);
  registerDiffuse(program);
  registerPlan(program);
  registerInspect(program);
  registerExport(program);
  registerRechunk(program);
  registerVerify(program);
  registerClean(program);
  registerCapabilities(program);
  registerDoctor(program);
  registerDemo(program);
  registerCompletion(program);
  return program;
}
