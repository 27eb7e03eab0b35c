// Subtitles over a picture. The browser loads and times them; they are drawn here, so that they look
// the same everywhere and make room for the controls. A video that is in full screen without the
// page, as on iPhones, shows them natively.

import { $, $$ } from "../dom.js";

const STORED_AS = "subtitles";

// The choice of the last visit: {isOn, language, label}.
function recallChoice() {
  try {
    return JSON.parse(localStorage.getItem(STORED_AS)) ?? {};
  } catch {
    return {};
  }
}

const baseOf = (language) => language.toLowerCase().split("-")[0];

export class Subtitles {
  // `control` holds the list of languages, `box` the text of one of the `videos`.
  constructor(control, box, videos) {
    this.control = control;
    this.select = $("select", control);
    this.box = box;
    this.tracks = [];
    this.isNative = false;
    this.choice = { isOn: false, ...recallChoice() };
    for (const video of videos) video.addEventListener("seeked", () => this.draw());
    let isPointed = false;
    this.select.addEventListener("pointerdown", () => (isPointed = true));
    this.select.addEventListener("keydown", () => (isPointed = false));
    this.select.addEventListener("change", () => {
      this.choose(this.tracks[this.select.value]);
      if (isPointed) this.select.blur(); // the next key is meant for the player
    });
  }

  // Load the subtitles of what a video plays from the address of its tracks. Returns the properties
  // that come with them, or null if they are not available.
  async load(video, address) {
    this.address = address;
    this.video = video;
    this.setTracks([]);
    video.replaceChildren();
    const answer = address && (await fetch(address).catch(() => null));
    if (!answer?.ok) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (address !== this.address) return null; // another one was loaded meanwhile
    const tracks = $$("track", page);
    video.replaceChildren(...tracks);
    this.setTracks(tracks);
    return { ...$("#tracks", page).dataset };
  }

  setTracks(tracks) {
    this.tracks = tracks;
    const off = this.select.options[0];
    const names = tracks.map((track, number) => new Option(track.label, number));
    this.select.replaceChildren(off, ...names);
    for (const track of tracks) {
      track.addEventListener("load", () => this.draw());
      track.track.addEventListener("cuechange", () => this.draw());
    }
    this.update();
  }

  // The track that fits the choice best; undefined when subtitles are off.
  get chosen() {
    if (!this.choice.isOn) return undefined;
    const { language = document.documentElement.lang, label } = this.choice;
    const alike = this.tracks.filter(({ srclang }) => baseOf(srclang) === baseOf(language));
    return (
      alike.find((track) => track.label === label) ??
      alike.find((track) => track.srclang === language) ??
      alike[0] ??
      this.tracks[0]
    );
  }

  choose(track) {
    this.choice.isOn = Boolean(track);
    if (track) Object.assign(this.choice, { language: track.srclang, label: track.label });
    try {
      localStorage.setItem(STORED_AS, JSON.stringify(this.choice));
    } catch {
      // The choice is lost with this page.
    }
    this.update();
  }

  toggle() {
    if (!this.tracks.length) return;
    this.choice.isOn = !this.choice.isOn;
    this.choose(this.chosen);
  }

  showNatively(is) {
    this.isNative = is;
    this.update();
  }

  update() {
    const { chosen } = this;
    for (const track of this.tracks) {
      const mode = this.isNative ? "showing" : "hidden"; // a hidden track is loaded and timed
      track.track.mode = track === chosen ? mode : "disabled";
    }
    this.select.value = chosen ? String(this.tracks.indexOf(chosen)) : "";
    this.control.classList.toggle("is-on", Boolean(chosen));
    this.control.hidden &&= !this.tracks.length;
    this.draw();
  }

  draw() {
    const { chosen } = this;
    // Not `activeCues`: they are empty until a video has played for the first time.
    const time = this.video?.currentTime;
    const cues = this.isNative
      ? []
      : [...(chosen?.track.cues ?? [])].filter(
          (cue) => cue.startTime <= time && time < cue.endTime,
        );
    const text = cues.map((cue) => cue.getCueAsHTML().textContent).join("\n");
    this.box.firstElementChild.textContent = text;
    this.box.hidden = !text;
    if (chosen) this.box.lang = chosen.srclang;
  }
}
