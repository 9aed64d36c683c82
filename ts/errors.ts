/**
 * The one error class of the library. The core's errors cross the boundary as data (code, details, hint) and become a
 * `GigamapperError` here; nobody parses messages. Not here: exit codes and wording for people, which are the command's.
 */

/** What `details` holds for each code. Byte counts are bytes, shapes are rows and columns. */
export interface ErrorDetails {
  /** Data are not as their own metadata, or AnnData, declare them. */
  GM_SCHEMA: { store: string; array: string; field: string; reason: string };
  /** Valid, but not something this version does. */
  GM_UNSUPPORTED: { what: string };
  /** A store or a key that is not there; `available` lists the names that are. */
  GM_NOT_FOUND: { store: string; kind: string; key: string; available: string[] };
  /** The output, or a lock on it, is already there. */
  GM_EXISTS: { path: string; reason: string };
  /** Two things that must agree in shape do not. */
  GM_SHAPE: { left: string; leftShape: number[]; right: string; rightShape: number[]; reason: string };
  /** A parameter out of its range or unknown. */
  GM_PARAM: { name: string; value: string; reason: string };
  /** The work does not fit the declared memory. */
  GM_BUDGET: { what: string; needed: number; available: number };
  /** Bytes on disk that cannot be what was written. */
  GM_CORRUPT: { file: string; block: string; reason: string };
  /** A stored state belongs to other inputs or parameters. */
  GM_STALE: { path: string; reason: string };
  /** The operating system refused an operation; `os` is its error number, `resumable` whether another try may go further. */
  GM_IO: { path: string; operation: string; os: number | null; reason: string; resumable?: boolean };
  /** A compute back end that is not available here. */
  GM_BACKEND: { backend: string; reason: string };
  /** The caller asked to stop; what was committed is kept. */
  GM_CANCELLED: { stage: string };
  /** A bug of ours. */
  GM_INTERNAL: { reason: string };
}

/** Every code there is. Codes are stable across versions; messages are not. */
export type GigamapperErrorCode = keyof ErrorDetails;

const CODES = {
  GM_SCHEMA: true,
  GM_UNSUPPORTED: true,
  GM_NOT_FOUND: true,
  GM_EXISTS: true,
  GM_SHAPE: true,
  GM_PARAM: true,
  GM_BUDGET: true,
  GM_CORRUPT: true,
  GM_STALE: true,
  GM_IO: true,
  GM_BACKEND: true,
  GM_CANCELLED: true,
  GM_INTERNAL: true,
} satisfies Record<GigamapperErrorCode, true>;

/**
 * Why a call failed. `code` says what kind of failure, `details` the names and numbers of it, `hint` what can be done
 * about it (null where nothing is known), `cause` what led to it.
 *
 * The `name` of a `GM_CANCELLED` error is `AbortError`, as the platform's own cancelled calls have it.
 *
 * @example
 * try {
 *   await map({ query: "query.zarr", reference: "atlas.zarr", obsKeys: ["cell_typ"], output: "typo.zarr" });
 * } catch (error) {
 *   if (!isGigamapperError(error, "GM_NOT_FOUND")) throw error;
 *   console.log(error.message, error.hint, error.details.available);
 * }
 */
export class GigamapperError<Code extends GigamapperErrorCode = GigamapperErrorCode> extends Error {
  /** What kind of failure it is; stable across versions. */
  readonly code: Code;
  /** Its names and numbers. */
  readonly details: ErrorDetails[Code];
  /** What can be done about it; null where nothing is known. */
  readonly hint: string | null;

  /** @param code the kind @param message for people @param details the names and numbers */
  constructor(
    code: Code,
    message: string,
    details: ErrorDetails[Code],
    options: { hint?: string | null; cause?: unknown } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = code === "GM_CANCELLED" ? "AbortError" : "GigamapperError";
    this.code = code;
    this.details = details;
    this.hint = options.hint ?? null;
  }

  /** The error as data, for logs and `--json`. */
  toJSON(): { code: Code; message: string; details: ErrorDetails[Code]; hint: string | null } {
    return { code: this.code, message: this.message, details: this.details, hint: this.hint };
  }
}

/**
 * Whether `error` is a {@link GigamapperError}, of the given code if one is given; narrows the type of `details`.
 *
 * @example
 * await plan({ query: "query.zarr", reference: "atlas.zarr", memory: "1MiB" }).catch((error) => {
 *   if (isGigamapperError(error, "GM_BUDGET")) console.log(error.details.needed, "bytes are needed");
 * });
 */
export function isGigamapperError<Code extends GigamapperErrorCode = GigamapperErrorCode>(
  error: unknown,
  code?: Code,
): error is GigamapperError<Code> {
  return error instanceof GigamapperError && (code === undefined || error.code === code);
}

/** What the file system refused of a call that leaves nothing behind; any other error as it is. */
export function fromSystem(error: unknown): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const { syscall = "", path = "", errno, message } = error as NodeJS.ErrnoException;
  // `EACCES: permission denied, mkdir '/there'`
  const reason = message.replace(/^[A-Z0-9_]+: /, "").replace(/, [a-z]+( '.*)?$/s, "");
  const os = errno === undefined ? null : Math.abs(errno);
  const details = { path, operation: syscall, os, reason, resumable: false };
  const hint = "nothing is left of it: see to that, or name another place";
  return new GigamapperError("GM_IO", `${syscall} ${path}: ${reason}`, details, { hint, cause: error });
}

/** The addon's error as ours. Anything that the addon did not make itself is a bug, and is said to be one. */
export function fromNative(error: unknown): GigamapperError {
  const { code, message, details, hint } = error as Record<string, unknown>;
  if (typeof code === "string" && Object.hasOwn(CODES, code) && typeof details === "string") {
    const known = code as GigamapperErrorCode;
    return new GigamapperError(known, String(message), JSON.parse(details) as ErrorDetails[typeof known], {
      hint: typeof hint === "string" ? hint : null,
      cause: error,
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new GigamapperError("GM_INTERNAL", `internal error: ${reason}`, { reason }, { cause: error });
}

/** The error of a call that its caller cancelled. */
export function cancelled(stage: string, cause: unknown, hint: string | null = null): GigamapperError<"GM_CANCELLED"> {
  return new GigamapperError("GM_CANCELLED", `cancelled during ${stage}`, { stage }, { hint, cause });
}

/** The error of a parameter that cannot be passed on. */
export function wrongParameter(name: string, value: unknown, reason: string): GigamapperError<"GM_PARAM"> {
  const shown = String(value);
  const subject = shown === "" ? name : `${name} = ${shown}`;
  return new GigamapperError("GM_PARAM", `${subject}: ${reason}`, { name, value: shown, reason });
}
