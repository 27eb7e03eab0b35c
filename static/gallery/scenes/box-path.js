// Where a line stands in the picture, which may move: boxes at some times, as the page has them.

// `path`: time (seconds), left, top, right and bottom of each point, in time order.
export function parsePath(path) {
  return path.split(";").map((point) => point.trim().split(" ").map(Number));
}

// The edges of the box at a time. Between two points it moves evenly.
export function boxAt(points, time) {
  const after = points.findIndex(([at]) => at > time);
  if (after <= 0) return points.at(after).slice(1);
  const [[start, ...first], [end, ...second]] = points.slice(after - 1, after + 1);
  const share = (time - start) / (end - start);
  return first.map((edge, number) => edge + (second[number] - edge) * share);
}
