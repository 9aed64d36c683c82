/**
 * Fuzzes a reader: `node scripts/fuzz.mjs TARGET [SECONDS]`, where a target is a folder of fuzz/corpus; `all` takes each in turn.
 * What is found lies in .cache/fuzz/TARGET; inputs that reach new code are added to the corpus, which is made as small as it
 * can be. `--replay FILE` reads one input again.
 *
 * Needs a nightly Rust, for its coverage, and a C++ compiler, for libFuzzer. `npm test` needs neither: it replays the corpus.
 */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { announce, output, root, run, stop, target, tried } from "./toolchain.mjs";

const CORPUS = join(root, "fuzz", "corpus");
const FOUND = join(root, ".cache", "fuzz");
// What cargo-fuzz sets, but for the address sanitizer, which would slow everything for the sake of libraries in C alone.
const COVERAGE = [
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/** Seconds that an input may take, and MiB that the process may have; what an input allocates is counted by the fuzzer. */
const LIMITS = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=65536"];
/** Bytes of the corpus of one target that are kept. */
const KEPT = 280 << 10;

const [wanted, seconds = "60"] = process.argv.slice(2);
const targets = readdirSync(CORPUS);
if (wanted === "--replay") {
  const name =
    targets.find((name) => seconds.includes(name)) ?? stop(`${seconds}: its path names none of ${targets.join(", ")}.`);
  process.exitCode = fuzz(name, [seconds]) ? 0 : 1;
} else {
  if (wanted !== "all" && !targets.includes(wanted)) stop(`Name a target: ${targets.join(", ")}, or all.`);
  const failed = targets.filter((name) => wanted === "all" || name === wanted).filter((name) => !session(name));
  announce(failed.length === 0 ? "nothing was found" : `found in .cache/fuzz: ${failed.join(", ")}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** Builds the fuzzer, with everything below it, and returns its path. */
function built() {
  if (output("cargo", ["+nightly", "--version"]) === undefined) {
    stop("Fuzzing needs a nightly Rust beside the pinned one: rustup toolchain install nightly.");
  }
  if (output("c++", ["--version"]) === undefined)
    stop("Fuzzing needs a C++ compiler, for libFuzzer: c++ was not found.");
  const folder = join(root, "target", "fuzz");
  const manifest = join(root, "fuzz", "Cargo.toml");
  run("cargo", ["+nightly", "build", "--release", "--manifest-path", manifest, "--target", target()], {
    RUSTFLAGS: COVERAGE.join(" "),
    CARGO_TARGET_DIR: folder,
  });
  return join(folder, target(), "release", "fuzz");
}

/** Runs the fuzzer of a target; returns false if it found something. */
function fuzz(name, args) {
  const artifacts = join(FOUND, name);
  mkdirSync(artifacts, { recursive: true });
  const program = built();
  // In memory where there is such a folder: inputs are written and read a hundred times a second.
  const inputs = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "gigamapper-fuzz-"));
  try {
    return tried(program, [...LIMITS, `-artifact_prefix=${artifacts}/`, ...args], {
      GIGAMAPPER_FUZZ: name,
      GIGAMAPPER_FUZZ_FOLDER: inputs,
      // One thread reads, so that an input takes the same way every time.
      RAYON_NUM_THREADS: "1",
    });
  } finally {
    rmSync(inputs, { recursive: true, force: true });
  }
}

/** Fuzzes a target, then makes its corpus small. */
function session(name) {
  announce(`fuzz ${name}, ${seconds} s`);
  const [grown, merged] = ["grown", "merged"].map((part) => join(FOUND, `${name}-${part}`));
  mkdirSync(grown, { recursive: true });
  const dictionary = `-dict=${join(root, "fuzz", "dictionary.txt")}`;
  const fine = fuzz(name, [
    `-max_total_time=${seconds}`,
    "-print_final_stats=1",
    dictionary,
    grown,
    join(CORPUS, name),
  ]);
  rmSync(merged, { recursive: true, force: true });
  mkdirSync(merged);
  if (fuzz(name, ["-merge=1", merged, join(CORPUS, name), grown])) keep(name, merged);
  return fine;
}

/** Replaces the corpus of a target by inputs of a folder: half of what may be kept are the smallest, half are spread over the others. */
function keep(name, folder) {
  const size = (file) => statSync(join(folder, file)).size;
  const total = (files) => files.reduce((bytes, file) => bytes + size(file), 0);
  const files = readdirSync(folder).sort((left, right) => size(left) - size(right));
  const small = files.filter((_, number) => total(files.slice(0, number + 1)) <= KEPT / 2);
  const others = files.slice(small.length);
  let step = 1;
  while (total(others.filter((_, number) => number % step === 0)) > KEPT / 2) step += 1;
  const kept = [...small, ...others.filter((_, number) => number % step === 0)];
  const before = new Set(readdirSync(join(CORPUS, name)));
  for (const file of kept) if (!before.delete(file)) renameSync(join(folder, file), join(CORPUS, name, file));
  for (const file of before) rmSync(join(CORPUS, name, file));
}
