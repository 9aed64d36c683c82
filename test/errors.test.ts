import { GigamapperError, inspect, isGigamapperError } from "gigamapper";
import { describe, expect, it } from "vitest";

describe("GigamapperError", () => {
  it("narrows by code", () => {
    const error: unknown = new GigamapperError("GM_BUDGET", "too big", { what: "a tile", needed: 2, available: 1 });
    expect(isGigamapperError(error)).toBe(true);
    expect(isGigamapperError(error, "GM_PARAM")).toBe(false);
    if (!isGigamapperError(error, "GM_BUDGET")) throw new Error("not narrowed");
    expect(error.details.needed - error.details.available).toBe(1);
    expect(isGigamapperError(new Error("GM_BUDGET"))).toBe(false);
  });

  it("is named AbortError when it was cancelled, and only then", () => {
    expect(new GigamapperError("GM_CANCELLED", "", { stage: "join" }).name).toBe("AbortError");
    expect(new GigamapperError("GM_INTERNAL", "", { reason: "" }).name).toBe("GigamapperError");
  });

  it("keeps code, details, hint and cause", () => {
    const cause = new Error("below");
    const details = { path: "a.zarr", reason: "is there" };
    const error = new GigamapperError("GM_EXISTS", "message", details, { hint: "overwrite", cause });
    expect(error).toMatchObject({ code: "GM_EXISTS", message: "message", details, hint: "overwrite", cause });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: "GM_EXISTS",
      message: "message",
      details,
      hint: "overwrite",
    });
    expect(new GigamapperError("GM_EXISTS", "message", details)).not.toHaveProperty("cause");
  });

  it("comes out of the addon as a real Error with a stack", async () => {
    const error = await inspect("/nowhere/at-all.zarr").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(isGigamapperError(error, "GM_NOT_FOUND")).toBe(true);
    expect((error as Error).stack).toContain("GigamapperError");
  });
});
