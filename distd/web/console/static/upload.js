// A file that is dropped or chosen is sent by parts while the form is filled in, and goes on where it stopped. The form
// then has the upload's name instead of the file. Without scripts the file goes with the form.
"use strict";

const PART_BYTES = 8 * 1024 * 1024;
const MAX_TRIES = 6;

function sizeText(bytes) {
  const language = document.documentElement.lang;
  const units = language === "fr" ? ["octets", "Ko", "Mo", "Go", "To"] : ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < 4; unit += 1) bytes /= 1000;
  const digits = unit && bytes < 100 ? 1 : 0;
  return `${bytes.toLocaleString(language, { maximumFractionDigits: digits })}\u00a0${units[unit]}`;
}

class FileUpload {
  constructor(box) {
    this.box = box;
    this.input = box.querySelector("input[type=file]");
    this.name = box.querySelector("input[name=upload]");
    this.bar = box.querySelector("progress");
    this.state = box.querySelector("[role=status]");
    this.form = box.closest("form");
    this.file = null;
    this.going = null; // the promise of the upload that is under way
    this.input.addEventListener("change", () => this.take(this.input.files[0]));
    for (const kind of ["dragenter", "dragover"]) {
      box.addEventListener(kind, (event) => {
        event.preventDefault();
        box.classList.add("is-over");
      });
    }
    for (const kind of ["dragleave", "drop"]) box.addEventListener(kind, () => box.classList.remove("is-over"));
    box.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    this.form.addEventListener("submit", (event) => this.submit(event));
  }

  say(text, values = {}) {
    this.state.textContent = text.replace(/{(\w+)}/g, (_, key) => values[key] ?? "");
  }

  take(file) {
    if (!file) return;
    this.file = file;
    this.name.value = "";
    this.box.dataset.state = "going";
    this.bar.hidden = false;
    this.bar.value = 0;
    const going = this.send(file);
    this.going = going;
    going.then(
      (name) => {
        if (this.file !== file) return;
        this.going = null;
        this.name.value = name;
        this.box.dataset.state = "done";
        this.input.value = "";
        this.bar.hidden = true;
        this.say(this.box.dataset.done, { name: file.name, total: sizeText(file.size) });
        this.box.dispatchEvent(new CustomEvent("sent"));
      },
      (error) => {
        if (this.file !== file) return;
        this.going = null;
        this.box.dataset.state = "failed";
        this.bar.hidden = true;
        this.input.value = "";
        this.say(this.box.dataset.failed, { why: error.message });
      },
    );
  }

  async submit(event) {
    if (!this.going) return;
    event.preventDefault();
    this.state.textContent += ` ${this.box.dataset.wait}`;
    this.box.addEventListener("sent", () => this.form.requestSubmit(), { once: true });
  }

  // Gives the name of the upload when the file is whole.
  async send(file) {
    const name = file.name.normalize("NFC");
    const path = `${this.box.dataset.upload}/${encodeURIComponent(name)}`;
    const [key, identity] = [`upload:${name}`, `${file.size}:${file.lastModified}`];
    const isSame = localStorage.getItem(key) === identity;
    localStorage.setItem(key, identity);
    const known = isSame ? await this.known(path) : null;
    if (known && known.path && known.size_bytes === file.size) return name;
    let offset = known && !known.path && known.size_bytes <= file.size ? known.size_bytes : 0;
    for (let tries = 0; ; ) {
      let answer = null;
      try {
        answer = await this.part(path, file, offset);
      } catch {
        if (++tries >= MAX_TRIES) throw new Error("…");
        this.say(this.box.dataset.again);
        await new Promise((done) => setTimeout(done, 500 * 2 ** tries));
        offset = (await this.known(path).catch(() => null))?.size_bytes ?? offset;
        continue;
      }
      const content = await answer.json().catch(() => ({}));
      if (answer.status === 201) return name;
      if (answer.status === 409 && content.size_bytes !== undefined && tries < MAX_TRIES) tries += 1;
      else if (answer.status !== 202) throw new Error(`${content.detail || answer.status}.`);
      else tries = 0;
      offset = content.size_bytes;
      if (this.file !== file) throw new Error("another file was chosen.");
      this.bar.value = file.size ? offset / file.size : 1;
      this.say(this.box.dataset.going, { done: sizeText(offset), total: sizeText(file.size) });
    }
  }

  async known(path) {
    const answer = await fetch(path, { cache: "no-store" });
    return answer.ok ? answer.json() : null;
  }

  part(path, file, offset) {
    const end = Math.min(offset + PART_BYTES, file.size);
    const headers = {};
    if (file.size) headers["Content-Range"] = `bytes ${offset}-${Math.max(end - 1, 0)}/${file.size}`;
    // The first part replaces what has this name, if there is something.
    return fetch(path, { method: "PUT", body: file.slice(offset, end), headers }).then(async (answer) => {
      if (answer.status !== 409 || offset) return answer;
      headers["If-Match"] = "*";
      return fetch(path, { method: "PUT", body: file.slice(offset, end), headers });
    });
  }
}

for (const box of document.querySelectorAll("[data-upload]")) new FileUpload(box);
