/**
 * Files of a zarr store behind an address, as zarrita asks for them, and codecs that check what zarrita's own believe. Bytes of a damaged or
 * half-replaced store would become values otherwise. Not here: what the arrays mean.
 */

import * as zarr from "zarrita";
import type { HttpFolder } from "./http.js";

/** What says what a node is; all other files hold values. */
const DOCUMENTS = new Set(["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"]);

/** The files of a store. */
export class RemoteStore implements zarr.AsyncReadable {
  readonly #folder: HttpFolder;
  /** Whether the files that were asked for are there. */
  readonly #there = new Map<string, boolean>();
  readonly #tags = new Map<string, string>();

  constructor(folder: HttpFolder) {
    this.#folder = folder;
    checkCodecs();
  }

  /** Whether a file is there, if it was asked for. */
  has(path: string): boolean {
    return this.#there.get(path) === true;
  }

  /** Files of an array's values that are there, and those that are not, of those that were asked for. */
  values(array: string): { stored: string[]; missing: string[] } {
    const files = [...this.#there.keys()].filter(
      (path) => path.startsWith(`${array}/`) && !DOCUMENTS.has(path.slice(array.length + 1)),
    );
    return { stored: files.filter((path) => this.has(path)), missing: files.filter((path) => !this.has(path)) };
  }

  /** A file, whole. */
  async get(key: string, { signal }: zarr.GetOptions = {}): Promise<Uint8Array | undefined> {
    const path = key.slice(1);
    const bytes = await this.#folder.whole(path, { signal });
    this.#there.set(path, bytes !== undefined);
    return bytes;
  }

  /** A part of a file: of its end, or from a byte. */
  async getRange(
    key: string,
    range: { offset: number; length: number } | { suffixLength: number },
    { signal }: zarr.GetOptions = {},
  ): Promise<Uint8Array | undefined> {
    const path = key.slice(1);
    let [start, end] = "offset" in range ? [range.offset, range.offset + range.length] : [0, 0];
    if ("suffixLength" in range) {
      // Browsers ask for the end of a file only where its server says beforehand that they may.
      const length = await this.#folder.length(path, { signal });
      this.#there.set(path, length !== undefined);
      if (length === undefined) return undefined;
      [start, end] = [length - range.suffixLength, length];
      if (start < 0) throw this.#folder.corrupt(path, `${length} bytes, less than its index has`);
    }
    const { bytes, tag } = await this.#folder.range(path, { start, end }, { signal });
    const before = this.#tags.get(path);
    if (before !== undefined && tag !== undefined && before !== tag) throw this.#folder.replaced(path);
    if (tag !== undefined) this.#tags.set(path, tag);
    return bytes;
  }
}

/** CRC-32C of a byte, for all bytes: the polynomial of Castagnoli, reflected. */
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  return sum;
});

function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ (CRC[(sum ^ byte) & 255] ?? 0);
  return ~sum >>> 0;
}

const number = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);

/** zarr's `crc32c`: four bytes at the end are the checksum of those before. zarrita's drops them. */
const checksum = {
  kind: "bytes_to_bytes",
  encode: unwritten,
  decode: (bytes: Uint8Array): Uint8Array => {
    const content = bytes.subarray(0, Math.max(0, bytes.length - 4));
    if (bytes.length < 4 || number(bytes, content.length) !== crc32c(content)) throw new Error("its checksum is wrong");
    return content;
  },
  computeEncodedSize: (decoded: number): number => decoded + 4,
} as const;

/** numcodecs' `vlen-utf8`: how many, then each with its length before it. zarrita's gives what is there of a text that is cut. */
function texts(shape: number[]) {
  return {
    kind: "array_to_bytes",
    encode: unwritten,
    decode: (bytes: Uint8Array) => {
      const decoder = new TextDecoder();
      const count = number(bytes, 0);
      // Each has four bytes at least.
      if (count > bytes.length / 4) throw new Error(`it is too short for ${count} texts`);
      let at = 4;
      const data = Array.from({ length: count }, () => {
        const [start, end] = [at + 4, at + 4 + number(bytes, at)];
        if (end > bytes.length) throw new Error("a text of it is cut");
        at = end;
        return decoder.decode(bytes.subarray(start, end));
      });
      return { data, shape, stride: zarr._zarrita_internal_getStrides(shape, "C") };
    },
  } as const;
}

function unwritten(): never {
  throw new Error("nothing is written here");
}

/** zarrita has one table of codecs for all who use it. These two read what its own read, and refuse more. */
function checkCodecs(): void {
  type Entry = Awaited<ReturnType<NonNullable<ReturnType<typeof zarr.registry.get>>>>;
  const crc: unknown = { fromConfig: () => checksum };
  const vlen: unknown = { fromConfig: (_: unknown, { shape }: { shape: number[] }) => texts(shape) };
  zarr.registry.set("crc32c", async () => crc as Entry);
  for (const name of ["vlen-utf8", "numcodecs.vlen-utf8"]) zarr.registry.set(name, async () => vlen as Entry);
}
