/** Exponents of y = a · xᵇ through measured points, ascending in x. */

/** b between each point and the next. */
export function slopes(points) {
  return points.slice(1).map(([x, y], at) => Math.log(y / points[at][1]) / Math.log(x / points[at][0]));
}

/** b by least squares on logarithms; `undefined` with fewer than two points. */
export function exponent(points) {
  if (points.length < 2) return undefined;
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (of) => logs.reduce((sum, one) => sum + of(one), 0) / logs.length;
  const [x, y] = [mean(([value]) => value), mean(([, value]) => value)];
  return mean(([u, v]) => (u - x) * (v - y)) / mean(([u]) => (u - x) ** 2);
}
