/**
 * The licences of everything that is compiled into the addon, as one text: the crates that cargo names for it, with the licence
 * files that they were published with, read from cargo's own copies. Made whenever packages are made, so it is never out of date.
 * `node scripts/licences.mjs` prints it. Needs no network, but for crates that cargo has not fetched yet: on a new machine those that other members of
 * the workspace would need for WebAssembly.
 */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { output, root, stop, target } from "./toolchain.mjs";

/** Crates that carry a library in another language, and where its licence is. None: it is that of the crate. */
const CARRIED = {
  "blosc-src": [],
  "linux-raw-sys": [],
  "lz4-sys": ["liblz4/lib/LICENSE"],
  "libz-sys": ["src/zlib/LICENSE"],
  "napi-sys": [],
  "zstd-sys": ["zstd/LICENSE"],
};

const WASM = "wasm32-unknown-unknown";

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify,
merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished
to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;

const BSD = `Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following
conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in
   the documentation and/or other materials provided with the distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote products derived
   from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE
COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES
(INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION)
HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE)
ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
`;

/** The crates that are compiled into the addon, ours left out: what cargo says of each, by name and version. */
export function compiledIn() {
  const text = output("cargo", ["metadata", "--locked", "--format-version=1", "--filter-platform", target()]);
  if (text === undefined) stop("cargo does not say what is compiled in. Build first: npm run build.");
  const { packages, resolve } = JSON.parse(text);
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const found = new Set();
  const pending = packages.filter(({ name }) => name === "gigamapper-node").map(({ id }) => id);
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    const used = nodes.get(id).deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null));
    pending.push(...used.map(({ pkg }) => pkg));
  }
  return packages
    .filter(({ id, source }) => source !== null && found.has(id))
    .sort((left, right) => `${left.name} ${left.version}`.localeCompare(`${right.name} ${right.version}`, "en"));
}

/** The same of the WebAssembly module, for which the core leaves out what reads and writes. */
function compiledInModule() {
  const tree = ["tree", "--locked", "--package", "gigamapper-wasm", "--target", WASM, "--prefix", "none"];
  const listed = output("cargo", [...tree, "--edges", "normal,no-proc-macro", "--format", "{p}"]);
  const metadata = output("cargo", ["metadata", "--locked", "--format-version=1", "--filter-platform", WASM]);
  if (listed === undefined || metadata === undefined) stop("cargo does not say what is compiled in.");
  const found = new Set(listed.split("\n").map((line) => line.split(" ").slice(0, 2).join(" ")));
  return JSON.parse(metadata)
    .packages.filter(({ name, version, source }) => source !== null && found.has(`${name} v${version}`))
    .sort((left, right) => left.name.localeCompare(right.name, "en"));
}

/** The text for the module that the library carries. */
export function moduleLicences() {
  return licences(compiledInModule(), "WebAssembly module");
}

/** The text, of the addon unless other crates are given. A licence that many crates have to the letter stands there once. */
export function licences(crates = compiledIn(), what = "addon") {
  const shared = new Map();
  const add = (text, name) => {
    const letters = text.replace(/\s+/g, " ");
    const { names } = shared.get(letters) ?? shared.set(letters, { text, names: [] }).get(letters);
    names.push(name);
  };
  for (const crate of crates) {
    for (const text of texts(crate)) add(text, `${crate.name} ${crate.version} (${crate.license})`);
  }
  add(`Copyright (c) The Rust Project Contributors\n\n${MIT}`, "the standard library of Rust (MIT OR Apache-2.0)");
  const head = `The ${what} of gigamapper contains the following works, under the licences that follow their names.\n`;
  const parts = [...shared.values()].map(
    ({ text, names }) => `${"=".repeat(100)}\n${names.join("\n")}\n\n${text.trim()}\n`,
  );
  return [head, ...parts].join("\n");
}

function texts(crate) {
  const folder = dirname(crate.manifest_path);
  const carried = CARRIED[crate.name] ?? (/-(sys|src)$/.test(crate.name) ? undefined : []);
  if (!carried) stop(`${crate.name}: say in scripts/licences.mjs where the licence of what it carries is.`);
  const own = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(name));
  const read = [...own.sort(), ...carried].map((name) =>
    readFileSync(join(folder, name), "utf8").replace(/\r\n/g, "\n"),
  );
  return read.length > 0 ? read : [ofForm(crate)];
}

/** The text of the licence that a crate names and does not carry. */
function ofForm({ name, license, authors }) {
  const holders = authors.map((author) => author.replace(/ <.*>/, "")).join(", ") || `the authors of ${name}`;
  const choices = (license ?? "").split(" OR ");
  if (choices.includes("MIT")) return `Copyright (c) ${holders}\n\n${MIT}`;
  if (choices.includes("BSD-3-Clause")) return `Copyright (c) ${holders}\n\n${BSD}`;
  if (choices.includes("Apache-2.0")) return readFileSync(join(root, "LICENSE-APACHE"), "utf8");
  return stop(`${name}: ${license} and no text of it; add the text to scripts/licences.mjs.`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(licences());
