// The list of films in the admin: when an import ends, the film's row gets its picture, its length
// and its frames, too. Without this they come with the next page.

document.addEventListener("htmx:afterSettle", async (event) => {
  const row = event.target.closest("#result_list tr");
  if (!row || event.target.hasAttribute("hx-get")) return; // still under way
  const film = row.querySelector("input.action-select")?.value;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = [...page.querySelectorAll("#result_list tbody tr")];
  const fresh = rows.find((one) => one.querySelector("input.action-select")?.value === film);
  // Only what is shown: a mark, or a place of the focus, stays as it is.
  for (const cell of fresh?.querySelectorAll(":scope > [class^=field-]") ?? []) {
    const old = row.querySelector(`:scope > .${cell.className.split(" ")[0]}`);
    if (old && !old.contains(document.activeElement)) old.innerHTML = cell.innerHTML;
  }
});
