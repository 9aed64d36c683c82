/**
 * Which predictions a mapper's evaluations are of: those of its last mapping, or some that another tool made. It holds names of
 * stores and columns; the query is the truth.
 */

import type { Cells } from "./cells.js";
import { wrongParameter } from "./errors.js";
import type { EvaluateRequest } from "./generated.js";

/** What the predictions of another tool are called. */
export interface ExternalPredictions {
  /** Column of predicted labels. Default `<label>_pred`. */
  prediction?: string | undefined;
  /** Column of their confidences. Default `<label>_conf`, if there is one. */
  confidence?: string | undefined;
  /** Predicted expression: `X`, or the name of a layer. Default: as the original is called. */
  imputedKey?: string | undefined;
}

/** The predictions that are evaluated next. */
export class LatestPredictions {
  #mapped: string | undefined;
  #external: { cells: Cells; keys: ExternalPredictions } | undefined;

  /** A mapping has finished. */
  mapped(output: string): void {
    this.#mapped = output;
    this.#external = undefined;
  }

  /** Others are to be evaluated. */
  register(cells: Cells, keys: ExternalPredictions): void {
    this.#external = { cells, keys };
  }

  /** Where they are, as stores of a call; `GM_PARAM` where there are none. */
  stores(): { mapped?: string; predictions?: Cells } {
    if (this.#external) return { predictions: this.#external.cells };
    if (this.#mapped !== undefined) return { mapped: this.#mapped };
    throw wrongParameter("predictions", "", "nothing is predicted yet: map first, or register predictions");
  }

  /** Names of columns and matrices, which a call may name otherwise. */
  keys(kind: "labels" | "expression"): Pick<EvaluateRequest, "prediction" | "confidence" | "imputedKey"> {
    const { prediction, confidence, imputedKey } = this.#external?.keys ?? {};
    const named = kind === "labels" ? { prediction, confidence } : { imputedKey };
    return Object.fromEntries(Object.entries(named).filter(([, key]) => key !== undefined));
  }
}
