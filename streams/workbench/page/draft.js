// The rule set that is being edited: where it was opened, its files, and which of them were changed.
// It outlives a reload of the page in this tab's session storage; samples never do.

const KEY = "rmm-scrub draft";

class Draft extends EventTarget {
  id = "";
  stamp = "";
  files = [];
  opened = [];
  current = "";

  /** Take a rule set up, as the workbench opened it. */
  open(set) {
    this.id = set.id;
    this.stamp = set.stamp;
    this.files = set.files.map((file) => ({ ...file }));
    this.opened = set.files.map((file) => ({ ...file }));
    if (!this.file) this.current = (this.files.at(-1) || { name: "" }).name;
    this.#changed("opened");
  }

  /** What was saved is what it was opened as; what was typed meanwhile is a change to that. */
  saved(set) {
    if (set.id !== this.id) return; // another was opened meanwhile
    this.stamp = set.stamp;
    this.opened = set.files;
    this.#changed("saved");
  }

  /** Nothing of it is left, in this tab either. */
  forget() {
    sessionStorage.removeItem(KEY);
    this.files = this.opened = [];
  }

  get file() {
    return this.files.find((file) => file.name === this.current);
  }

  get dirty() {
    return this.files.length !== this.opened.length || this.files.some((file) => this.isChanged(file));
  }

  isChanged(file) {
    return this.opened.find((each) => each.name === file.name)?.text !== file.text;
  }

  show(name) {
    this.current = name;
    this.#changed("shown");
  }

  edit(text) {
    this.file.text = text;
    this.#changed("edited");
  }

  add(name, text) {
    this.files.push({ name, text });
    this.files.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.current = name;
    this.#changed("opened");
  }

  drop(name) {
    this.files = this.files.filter((file) => file.name !== name);
    this.current = (this.files[0] || { name: "" }).name;
    this.#changed("opened");
  }

  /** As requests have it. */
  get asked() {
    return { files: this.files };
  }

  restore() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEY) || "null");
      if (!kept) return false;
      Object.assign(this, kept);
      this.#changed("opened");
      return true;
    } catch {
      return false;
    }
  }

  #changed(what) {
    try {
      const { id, stamp, files, opened, current } = this;
      sessionStorage.setItem(KEY, JSON.stringify({ id, stamp, files, opened, current }));
    } catch {
      // no room, or no storage: the draft is in the page all the same, and an older one is worth nothing
      sessionStorage.removeItem(KEY);
    }
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}

export const draft = new Draft();
