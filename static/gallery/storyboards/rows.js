// Puts answers into the rows of a storyboard. The forms of a row's words and length stay where they
// are: what is being typed there, the cursor and an input method go on undisturbed.

import { $, $$ } from "../dom.js";

const FIELDS = "textarea, input[type=number]";

// What the fields of a form or of a row say, by their ids.
export const valuesOf = (form) => new Map($$(FIELDS, form).map((field) => [field.id, field.value]));

export const savedValuesOf = (form) =>
  new Map($$(FIELDS, form).map((field) => [field.id, field.defaultValue]));
export const textOf = (values) => [...values.values()].join("\n");

// Each part of an answer updates its own. Answers may come in another order than they were made:
// older ones are ignored. `given`: the values that were sent, if it was an edit.
export function mergeAnswer(parts, given = new Map()) {
  for (const part of parts) {
    const old = document.getElementById(part.id);
    if (!old || isOlder(part, old)) continue;
    if (part.matches(".row")) mergeRow(old, part, given);
    else if (part.matches(".rows")) mergeRows(old, part, given);
    else old.replaceWith(part);
  }
}

const isOlder = (part, old) => Number(part.dataset.version) < Number(old.dataset.version);

function mergeRows(old, part, given) {
  for (const row of $$(".row", old)) if (!$(`#${row.id}`, part)) row.remove();
  mergeAnswer($$(".row", part), given);
  old.dataset.version = part.dataset.version;
}

function mergeRow(old, part, given) {
  for (const field of $$(FIELDS, old)) mergeField(field, $(`#${field.id}`, part), given);
  for (const selector of [".row-number", ".row-edit .unseen"]) {
    $(selector, old).textContent = $(selector, part).textContent;
  }
  for (const child of [...old.children]) if (!child.matches(".row-text")) child.remove();
  old.append(...[...part.children].filter((child) => !child.matches(".row-text")));
  old.className = part.className;
  if (!part.dataset.search) delete old.dataset.sent;
  for (const name of ["search", "version"]) {
    if (name in part.dataset) old.dataset[name] = part.dataset[name];
    else delete old.dataset[name];
  }
}

// A field that the user has changed since it was sent keeps its value.
function mergeField(field, now, given) {
  const isTyped = field.value !== (given.get(field.id) ?? field.defaultValue);
  const { value } = field;
  field.defaultValue = now.defaultValue;
  field.placeholder = now.placeholder;
  if (isTyped) now.value = value;
  if (field.value !== now.value) field.value = now.value;
}
