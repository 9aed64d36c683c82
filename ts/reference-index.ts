/**
 * An index of a reference on disk, `name.gmx`: built once, searched by many runs (`index: built.path`), and appended to when the
 * reference grows. The core builds and reads it; a handle holds its path and its lifetime.
 */

import type { IndexDescription, IndexPlan, IndexReport } from "./generated.js";
import { read, runTask, waited } from "./job.js";
import { Lifetime } from "./lifetime.js";
import { type AppendOptions, type CallOptions, encode, type IndexOptions, type IndexPlanOptions } from "./request.js";

/**
 * The inverted lists of a reference's cells.
 *
 * @example
 * await using index = await ReferenceIndex.build("atlas.zarr", { output: "atlas.gmx" });
 * console.log((await index.describe()).rows);
 * await using mapper = new CellMapper("query.zarr", "atlas.zarr");
 * await mapper.map({ index: index.path, obsKeys: ["bulk_labels"], output: "by-lists.zarr" });
 */
export class ReferenceIndex {
  /** Path of the index. */
  readonly path: string;
  /** What building it, or appending to it, did; null for one that was opened. */
  readonly report: IndexReport | null;
  readonly #life = new Lifetime("index");

  private constructor(path: string, report: IndexReport | null) {
    this.path = path;
    this.report = report;
  }

  /**
   * Builds the index of `obsm/<useRep>` (default `X_pca`, n × d) of the reference at `output`, a folder `name.gmx`: `nlist` lists
   * (default a 350th of n) of `listDtype` rows (default `f32`). Its bytes depend on data, parameters and
   * `seed` alone.
   *
   * Rejects, before anything is written, when the key is missing (`GM_NOT_FOUND`), a parameter is wrong (`GM_PARAM`), the memory
   * is too small (`GM_BUDGET`) or the output exists (`GM_EXISTS`); and when cancelled (`GM_CANCELLED`), which leaves a build that
   * `resume: true` continues.
   */
  static async build(reference: string, options: IndexOptions): Promise<ReferenceIndex> {
    const signals = options.signal ? [options.signal] : [];
    const request = { ...options, reference };
    const report = await runTask<IndexReport>("buildIndex", request, signals);
    return new ReferenceIndex(report.output, report);
  }

  /**
   * Appends to the index at `output` the cells that the reference has beyond those of the index: its first n rows must be the
   * n that the index holds, to the bit, in whatever chunks. New cells go into the lists that there are; lists are neither
   * trained again nor split, and a warning in the report says when the index should be built anew. Where there is nothing to
   * append, that is a warning, too, and nothing changes.
   *
   * At every moment the index at `output` is the one before or the one after. An append that was interrupted is repeated by the
   * same call, to the same bytes.
   *
   * Rejects, before the index is touched, when it is missing (`GM_NOT_FOUND`) or damaged (`GM_CORRUPT`), when the reference has
   * fewer rows or other columns (`GM_SHAPE`) or does not begin with the rows of the index (`GM_STALE`), when the memory is too
   * small (`GM_BUDGET`), and for parameters other than the index's own (`GM_PARAM`).
   */
  static async append(reference: string, options: AppendOptions): Promise<ReferenceIndex> {
    const signals = options.signal ? [options.signal] : [];
    const request = { ...options, reference, append: true };
    const report = await runTask<IndexReport>("buildIndex", request, signals);
    return new ReferenceIndex(report.output, report);
  }

  /**
   * What {@link ReferenceIndex.build} would do and cost; with `append: true`, what {@link ReferenceIndex.append} would. Writes
   * nothing, and needs an `output` only for an append.
   */
  static async plan(reference: string, options: IndexPlanOptions = {}): Promise<IndexPlan> {
    const request = { ...options, reference };
    const text = encode(request);
    return await read<IndexPlan>("plan", options.signal, (addon) => addon.planIndex(text));
  }

  /** The index at `path`, once it is known to be one. Rejects as {@link ReferenceIndex.describe}. */
  static async open(path: string, options: CallOptions = {}): Promise<ReferenceIndex> {
    const index = new ReferenceIndex(path, null);
    await index.describe(options);
    return index;
  }

  /**
   * Rows, columns, lists, types and bytes. Rejects with `GM_NOT_FOUND` if nothing is there, `GM_SCHEMA` if it is not an index,
   * `GM_CORRUPT` if its files are not what was written, and `GM_UNSUPPORTED` if a newer version wrote it.
   */
  async describe(options: CallOptions = {}): Promise<IndexDescription> {
    const signals = this.#life.signals(options.signal);
    return JSON.parse(await waited("read", signals, (addon) => addon.describeIndex(this.path))) as IndexDescription;
  }

  /** Lets go of the index. Calling it again is harmless. */
  async close(): Promise<void> {
    await this.#life.close();
  }

  /** {@link ReferenceIndex.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
