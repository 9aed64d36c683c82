/** What the window asks of the service, and what it is told. All of it can be cloned into another process. */

import type { GigamapperErrorCode, Inspection, Plan, ProgressEvent, RunReport } from "gigamapper";

/** A mapping as the window describes it. */
export interface Mapping {
  query: string;
  reference: string;
  obsKeys: string[];
  output: string;
}

/** Neighbours of the first rows of a mapped store. */
export interface FirstRows {
  k: number;
  indices: number[];
  distances: number[];
}

/** The calls of the service: what each takes and resolves to. */
export interface Calls {
  inspect: { takes: { path: string }; gives: Inspection };
  plan: { takes: Mapping; gives: Plan };
  map: { takes: Mapping; gives: RunReport };
  cancel: { takes: { call: number }; gives: null };
  firstRows: { takes: { path: string; rows: number }; gives: FirstRows };
}

/** A call, with a number by which its answers are known. */
export type Request = {
  [Name in keyof Calls]: { call: number; name: Name; options: Calls[Name]["takes"] };
}[keyof Calls];

/** Why a call failed. Errors lose their class on the way between processes; this does not. */
export interface Failure {
  code: GigamapperErrorCode | "UNKNOWN";
  message: string;
  hint: string | null;
}

/** Progress of a call, or its end. */
export type Answer =
  | { call: number; progress: ProgressEvent }
  | { call: number; result: Calls[keyof Calls]["gives"] }
  | { call: number; failure: Failure };

/** The six functions of the window. */
export interface Api {
  /** Asks the user for a store; null if there is none. */
  choose(): Promise<string | null>;
  inspect(path: string): Promise<Inspection>;
  plan(mapping: Mapping): Promise<Plan>;
  /** `onStart` gets the number by which the run can be cancelled. */
  map(
    mapping: Mapping,
    onProgress: (event: ProgressEvent) => void,
    onStart: (call: number) => void,
  ): Promise<RunReport>;
  cancel(call: number): Promise<null>;
  firstRows(path: string, rows: number): Promise<FirstRows>;
}
