/** What is said where a GPU is asked for and there is none: by the command, in processes that are told a place where no library is. */

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GigamapperError, type Machine, type Plan, plan } from "gigamapper";
import { afterEach, describe, expect, it, vi } from "vitest";
import { gigamapper } from "./command.js";
import { query, reference, temporary } from "./folder.js";

const stores = ["--query", query, "--reference", reference];
afterEach(() => vi.unstubAllEnvs());

describe("where the library is not", () => {
  const nowhere = "/nowhere/at/all/libcuvs_c.so";

  it("cuda exits 5 with reason and remedy, before anything is written", async () => {
    vi.stubEnv("GIGAMAPPER_CUVS", nowhere);
    const output = join(temporary(), "mapped.zarr");
    for (const args of [
      ["map", ...stores, "--obs-keys", "bulk_labels", "--output", output],
      ["neighbors", ...stores, "--output", output],
      ["plan", ...stores],
    ]) {
      const { code, stdout, stderr } = await gigamapper([...args, "--backend", "cuda"]);
      expect({ code, stdout }).toEqual({ code: 5, stdout: "" });
      expect(stderr).toContain(nowhere);
      expect(stderr).toContain("GIGAMAPPER_CUVS name");
    }
    expect(existsSync(output)).toBe(false);
    const index = join(temporary(), "a.gmx");
    const kept = ["index", index, "--reference", reference, "--nlist", "4", "--keep-graph", "4", "--backend", "cuda"];
    expect((await gigamapper(kept)).code).toBe(5);
    expect(existsSync(index)).toBe(false);
  });

  it("auto goes on with the CPU, and says why", async () => {
    vi.stubEnv("GIGAMAPPER_CUVS", nowhere);
    const { code, stdout, stderr } = await gigamapper(["plan", ...stores, "--json"]);
    expect(code).toBe(0);
    expect(stderr).toContain("there is no GPU for this run");
    expect((JSON.parse(stdout) as Plan).backend).toMatchObject({ name: "cpu", device: null });
    expect((JSON.parse(stdout) as Plan).backend.reason).toContain(nowhere);
    const quiet = await gigamapper(["plan", ...stores, "--backend", "cpu"]);
    expect(quiet.code).toBe(0);
    expect(quiet.stderr).not.toContain("GPU");
    expect(quiet.stdout).toContain("cpu: it was asked for");
  });

  it("doctor and capabilities say what is missing and what to do", async () => {
    vi.stubEnv("GIGAMAPPER_CUVS", nowhere);
    const { backends } = JSON.parse((await gigamapper(["doctor", "--json"])).stdout) as Machine;
    const cuda = backends.find(({ name }) => name === "cuda");
    expect(cuda).toMatchObject({ available: false, device: null });
    expect(cuda?.reason).toContain(nowhere);
    expect(cuda?.remedy).toContain("libcuvs");
    const shown = (await gigamapper(["doctor"])).stdout;
    expect(shown).toMatch(/back end cuda +not available\n/);
    expect(shown).toContain(`to change that: ${cuda?.remedy}`);
    const { stdout } = await gigamapper(["capabilities"]);
    expect(stdout).toMatch(/exact of f32 +euclidean, sqeuclidean, cosine, inner_product\n/);
    expect(stdout).toMatch(/ivfpq of f32 +nothing: codes of ivfpq/);
  });

  it("is told from a library that cannot be opened", async () => {
    const broken = join(temporary(), "libcuvs_c.so");
    writeFileSync(broken, "no library");
    vi.stubEnv("GIGAMAPPER_CUVS", broken);
    const { code, stderr } = await gigamapper(["plan", ...stores, "--backend", "cuda"]);
    expect(code).toBe(5);
    expect(stderr).toContain(`${broken} cannot be loaded`);
  });
});

describe("a back end", () => {
  it("that there is not is a parameter error, and without a device an error with a hint", async () => {
    await expect(plan({ query, reference, backend: "gpu" })).rejects.toMatchObject({ code: "GM_PARAM" });
    const planned = plan({ query, reference, backend: "cuda" });
    const error = await planned.then(({ backend }) => backend.name).catch((thrown: unknown) => thrown);
    if (error instanceof GigamapperError) {
      expect(error.code).toBe("GM_BACKEND");
      expect(error.details).toMatchObject({ backend: "cuda", reason: expect.any(String) });
      expect(error.hint).toEqual(expect.any(String));
    } else {
      expect(error).toBe("cuda");
    }
  });
});
