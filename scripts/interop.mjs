/**
 * The Python lane: other people's readers open what we write. Makes a virtual environment of pinned versions under
 * .cache/, or in the folder that the environment's GIGAMAPPER_PYTHON names, and runs test/interop in it. Without a fit Python it is
 * skipped, aloud.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { announce, output, root, tried } from "./toolchain.mjs";

const REQUIREMENTS = join(root, "test", "interop", "requirements.txt");
const ENVIRONMENT = process.env["GIGAMAPPER_PYTHON"] ?? join(root, ".cache", "interop");
const PYTHON = join(ENVIRONMENT, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");

/** Runs the lane; returns false only if a test failed or the environment could not be made. */
export function interop() {
  const missing = unfit();
  if (missing) {
    process.stdout.write(`SKIPPED: the Python interop lane, because ${missing}.\n`);
    return true;
  }
  if (!environment()) return false;
  return tried(PYTHON, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test/interop"], {
    PYTHONDONTWRITEBYTECODE: "1",
  });
}

/** Why the lane cannot run on this machine, if it cannot. */
function unfit() {
  const version = output("python3", [
    "-c",
    "import sys; print(sys.version_info >= (3, 11), '%d.%d' % sys.version_info[:2])",
  ]);
  if (version === undefined) return "python3 was not found";
  const [fit, number] = version.split(" ");
  if (fit !== "True") return `python3 is ${number} and the lane needs 3.11 or newer`;
  if (output("python3", ["-c", "import ensurepip, venv"]) === undefined) return "python3 has no venv with pip";
  return undefined;
}

/** Makes the environment, unless it has been made from these very requirements. */
function environment() {
  const digest = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex");
  const mark = join(ENVIRONMENT, "requirements.sha256");
  if (existsSync(mark) && readFileSync(mark, "utf8") === digest && output(PYTHON, ["--version"])) return true;
  rmSync(ENVIRONMENT, { recursive: true, force: true });
  const made =
    tried("python3", ["-m", "venv", ENVIRONMENT]) &&
    tried(PYTHON, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]);
  if (made) writeFileSync(mark, digest);
  return made;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  announce("Python interop");
  process.exitCode = interop() ? 0 : 1;
}
