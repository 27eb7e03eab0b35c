// Keys of players, the same for a scene and for a board.

import { $, isTyping } from "../dom.js";

const REPEATED = [",", ".", "ArrowLeft", "ArrowRight"]; // act on and on while they are held

// The name of a key: "k" also with caps lock, "Shift+ArrowLeft".
function nameOf({ key, shiftKey }) {
  if (shiftKey && key.startsWith("Arrow")) return `Shift+${key}`;
  return key.length === 1 && !shiftKey ? key.toLowerCase() : key;
}

// Whether the element itself uses a key.
function usesKey(target, name) {
  if (isTyping(target) || target.closest(".card")) return true;
  if (name === " ") return target.closest("button, a, summary, input") !== null;
  return name.startsWith("Arrow") && target.closest("input:not(.seek), [role=slider]") !== null;
}

// Call the action of a key, if the key is meant for the player. `dialog`: the one with the player.
export function handlePlayerKey(event, actions, dialog = null) {
  const name = nameOf(event);
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!(name in actions) || usesKey(event.target, name) || $("dialog[open]") !== dialog) return;
  if (event.repeat && !REPEATED.includes(name)) return;
  event.preventDefault();
  actions[name]();
}
