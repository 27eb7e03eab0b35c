// The address of a scene's page.

const MODES = ["both", "seen", "said", "written"]; // values of the search's parameter `in`, also in the URL

// An address of the page with the span, without one if it is null. The search stays.
export function addSpan(address, span) {
  const url = new URL(address);
  const modes = url.searchParams.getAll("in").filter((value) => MODES.includes(value));
  url.searchParams.delete("in");
  url.searchParams.delete("out");
  for (const mode of modes) url.searchParams.append("in", mode);
  if (span) {
    url.searchParams.append("in", `${span.first}f`);
    url.searchParams.append("out", `${span.last}f`);
  }
  return url.pathname + url.search;
}
