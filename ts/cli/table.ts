/** Lines up rows of text for people. */

/** Columns padded to their widest cell, two spaces apart; the first one indented by `indent`. */
export function table(rows: readonly (readonly string[])[], indent = 2): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return rows.map((row) => `${" ".repeat(indent)}${line(row)}`.trimEnd()).join("\n");
}
