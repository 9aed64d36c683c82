/** A project of a user of the library, in which the examples of the documents run. */

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect } from "vitest";
import { query, reference, root, temporary } from "./folder.js";

/** A folder with the two stores of the examples, and gigamapper installed. */
export function project(): string {
  const folder = temporary();
  cpSync(query, join(folder, "query.zarr"), { recursive: true });
  cpSync(reference, join(folder, "reference.zarr"), { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "gigamapper"), "dir");
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  return folder;
}

/** Installs further packages, those of this project. */
export function linkPackages(folder: string, ...names: string[]): void {
  for (const name of names) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "dir");
}

/**
 * Type-checks sources as strictly as the library itself, and compiles them for the oldest Node; returns the paths to run. Types of
 * packages are checked, too, unless they are left out.
 */
export function compile(folder: string, sources: string[], skipLibCheck = false): string[] {
  const paths = sources.map((source, number) => {
    const path = join(folder, `example${number}.ts`);
    writeFileSync(path, source);
    return path;
  });
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    skipLibCheck,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    typeRoots: [join(root, "node_modules/@types")],
    types: ["node"],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
  };
  const program = ts.createProgram(paths, options);
  const complaints = [...ts.getPreEmitDiagnostics(program)].map(
    ({ messageText, file, start = 0 }) =>
      `${file?.fileName ?? ""} at "${file?.text.slice(start, start + 80) ?? ""}": ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
  );
  expect(complaints).toEqual([]);
  program.emit();
  return paths.map((path) => path.replace(/\.ts$/, ".js"));
}
