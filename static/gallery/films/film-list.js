// The list of films in the admin: when an import ends, the film's row is updated with its picture,
// length and frames. Without scripts they are shown after a reload.

document.addEventListener("htmx:afterSettle", async (event) => {
  const row = event.target.closest("#result_list tr");
  if (!row || event.target.hasAttribute("hx-get")) return; // the import is running
  const film = row.querySelector("input.action-select")?.value;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = [...page.querySelectorAll("#result_list tbody tr")];
  const fresh = rows.find((one) => one.querySelector("input.action-select")?.value === film);
  // Only field cells, so that the selection and the focus are kept.
  for (const cell of fresh?.querySelectorAll(":scope > [class^=field-]") ?? []) {
    const old = row.querySelector(`:scope > .${cell.className.split(" ")[0]}`);
    if (old && !old.contains(document.activeElement)) old.innerHTML = cell.innerHTML;
  }
});
