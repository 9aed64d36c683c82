/** What each stage of a run took, told at the end by every command that has stages. */

import type { StageReport } from "../generated.js";
import { bytes, seconds } from "../sentence.js";
import type { Terminal } from "./terminal.js";

/** A line for each stage: its seconds, and the bytes that it wrote. */
export function tellStages(terminal: Terminal, stages: readonly StageReport[]): void {
  for (const stage of stages) {
    terminal.say(`${stage.stage}: ${seconds(stage.seconds)}, ${bytes(stage.bytesWritten)} written`, 2);
  }
}
