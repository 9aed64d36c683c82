/**
 * Finds the addon of this platform and loads it.
 *
 * In this order: the module that the environment variable `GIGAMAPPER_ADDON` names; the file beside the library, which a clone
 * builds; the package of this platform, which npm installs with gigamapper; and `@gigamapper/wasm`, where somebody has installed it.
 * Electron packs an application into an archive, from which no system loads a library; it keeps such files beside the archive, under
 * the same path, and there they are looked for first. Not here: what the addon offers (`native.ts`).
 */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GigamapperError } from "./errors.js";

/** The platforms that packages are built for; on others a clone builds its own. */
export const PLATFORMS: readonly string[] = ["linux-x64-gnu"];
const SCOPE = "@gigamapper";
const FALLBACK = `${SCOPE}/wasm`;

/** A loaded addon, and the file that it is. */
export interface LoadedAddon {
  exports: object;
  path: string;
}

/** Loads it; `GM_BACKEND`, which says what to do, if there is none or it cannot be loaded. */
export async function loadAddon(): Promise<LoadedAddon> {
  const named = process.env["GIGAMAPPER_ADDON"];
  if (named) return await loaded(named);
  const platform = platformName();
  const path = beside(platform) ?? installed(platform);
  if (path) return await loaded(path);
  const fallback = await installedFallback();
  if (fallback) return fallback;
  const reason = `there is no addon for ${platform}`;
  const hint = PLATFORMS.includes(platform)
    ? `install ${packageOf(platform)}, which npm leaves out with --omit=optional; in a clone of the project, run npm run build`
    : `packages are built for ${PLATFORMS.join(", ")}; elsewhere, build it in a clone of the project with npm run build`;
  throw failure(reason, hint);
}

/** `linux-x64-gnu`, `darwin-arm64`, `win32-x64-msvc`: as npm's packages of addons are called. */
export function platformName(): string {
  const system = `${process.platform}-${process.arch}`;
  if (process.platform === "win32") return `${system}-msvc`;
  return process.platform === "linux" ? `${system}-${isGlibc() ? "gnu" : "musl"}` : system;
}

/** The path of a file of an archive that lies beside the archive; any other path as it is. */
export function unpacked(path: string): string {
  return path.replace(/\.asar(?=[/\\])/, ".asar.unpacked");
}

function isGlibc(): boolean {
  // Who listens on which address takes seconds to find out and is not asked for.
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = report.excludeNetwork ?? false;
  report.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  report.excludeNetwork = before;
  return header.glibcVersionRuntime !== undefined;
}

function beside(platform: string): string | undefined {
  return present(fileURLToPath(new URL(`./native/${fileOf(platform)}`, import.meta.url)));
}

function installed(platform: string): string | undefined {
  const name = packageOf(platform);
  const here = fileURLToPath(import.meta.url);
  for (const from of new Set([here, unpacked(here)])) {
    let manifest: string;
    try {
      manifest = createRequire(pathToFileURL(from)).resolve(`${name}/package.json`);
    } catch {
      continue;
    }
    const wanted = versionOf(fileURLToPath(new URL("../package.json", import.meta.url)));
    const found = versionOf(manifest);
    if (found !== wanted) {
      const hint = `install ${name}@${wanted}`;
      throw failure(`${name} is of version ${found}, and gigamapper of ${wanted}`, hint);
    }
    const path = present(join(dirname(manifest), fileOf(platform)));
    if (path) return path;
  }
  return undefined;
}

async function installedFallback(): Promise<LoadedAddon | undefined> {
  try {
    return { exports: (await import(FALLBACK)) as object, path: FALLBACK };
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw failure(`${FALLBACK}: ${reasonOf(cause)}`, null, cause);
  }
}

async function loaded(path: string): Promise<LoadedAddon> {
  try {
    const exports = path.endsWith(".node")
      ? (createRequire(import.meta.url)(path) as object)
      : ((await import(pathToFileURL(path).href)) as object);
    return { exports, path };
  } catch (cause) {
    const hint = "it may need a newer system; a clone of the project builds its own with npm run build";
    throw failure(`${path}: ${reasonOf(cause)}`, hint, cause);
  }
}

function present(path: string): string | undefined {
  return [unpacked(path), path].find((candidate) => existsSync(candidate));
}

function packageOf(platform: string): string {
  return `${SCOPE}/${platform}`;
}

function fileOf(platform: string): string {
  return `gigamapper.${platform}.node`;
}

function versionOf(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function failure(reason: string, hint: string | null, cause?: unknown): GigamapperError<"GM_BACKEND"> {
  const message = `the native addon cannot be loaded: ${reason}`;
  return new GigamapperError("GM_BACKEND", message, { backend: "native", reason }, { hint, cause });
}
