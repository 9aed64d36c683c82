/** Folders of tests: temporary ones that go away, the fixtures, and the digest of what a folder holds. */

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** The project. */
export const root = fileURLToPath(new URL("..", import.meta.url));
const pbmc = join(root, "test/fixtures/pbmc");
/** 200 and 500 real cells. */
export const query = join(pbmc, "query.zarr");
export const reference = join(pbmc, "reference.zarr");

/** An empty folder that is removed after the test. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "gigamapper-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One digest per file, by path. Two stores are the same when these are equal. */
export function digests(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), digest(path)]));
}
