/** Names of categories that are no text, as the core has them in reports and conditions: as Python writes them. */

import type { DataType } from "zarrita";

/** The names of values of an array of some type. */
export function names(dtype: DataType | "float16", values: ArrayLike<unknown>): string[] {
  if (dtype === "bool") return Array.from(values, (value) => (value ? "True" : "False"));
  if (dtype === "float32") return Array.from(values, (value) => decimal(shortest(value as number)));
  if (dtype === "float64" || dtype === "float16") return Array.from(values, (value) => decimal(value as number));
  return Array.from(values, String);
}

/** The number of fewest digits that is nearest to no other f32. */
function shortest(value: number): number {
  for (let digits = 1; digits <= 9; digits += 1) {
    const fewer = Number(value.toPrecision(digits));
    if (Math.fround(fewer) === value) return fewer;
  }
  return value;
}

/** A number with its digits and a point, or an exponent where it is below 1e-4 or from 1e16 on, as Rust's `{:?}` has it. */
function decimal(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return value.toExponential().replace("e+", "e");
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes(".") ? text : `${text}.0`;
}
