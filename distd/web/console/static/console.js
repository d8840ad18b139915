// What the console does beyond links and forms. Every page works without it.
"use strict";

// "/" leads to the search field, as in editors.
document.addEventListener("keydown", (event) => {
  const at = document.activeElement;
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (at && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName))) return;
  event.preventDefault();
  document.querySelector(".find input")?.select();
});

// On a narrow screen the navigation is one line that scrolls: where one is, is to be seen.
const side = document.querySelector(".side");
const entry = side?.querySelector("[aria-current]");
for (const strip of entry ? [side, side.querySelector("ul")] : []) {
  if (strip.scrollWidth > strip.clientWidth) strip.scrollLeft = entry.offsetLeft - (strip.clientWidth - entry.offsetWidth) / 2;
}

// A table whose rows can be chosen: the box in its head chooses all, the bar above says how many.
function showChosen(table) {
  const boxes = [...table.querySelectorAll("tbody input[type=checkbox]")];
  const chosen = boxes.filter((box) => box.checked);
  const all = table.querySelector("thead input[type=checkbox]");
  if (all) {
    all.checked = chosen.length > 0 && chosen.length === boxes.length;
    all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
  }
  for (const box of boxes) box.closest("tr").setAttribute("aria-selected", box.checked);
  const batch = table.closest("form")?.querySelector(".batch");
  if (batch) {
    batch.hidden = chosen.length === 0;
    const everything = batch.querySelector("input[name=all]");
    if (everything && batch.hidden) everything.checked = false;
    const count = batch.querySelector("[data-chosen]");
    if (count) count.textContent = chosen.length.toLocaleString(document.documentElement.lang);
  }
}
document.addEventListener("change", (event) => {
  const table = event.target.closest?.("table.is-choosable");
  if (!table || event.target.type !== "checkbox") return;
  if (event.target.closest("thead")) {
    for (const box of table.querySelectorAll("tbody input[type=checkbox]")) box.checked = event.target.checked;
  }
  showChosen(table);
});

// A button with data-dialog opens the dialog of that id; without scripts its link leads to a page that asks the same.
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog) {
    event.preventDefault();
    dialog.showModal();
  }
  if (event.target.closest?.("[data-close]")) event.target.closest("dialog")?.close();
});

// The bar of a table shows without scripts always, with them once something is chosen.
function showAllChosen(event) {
  for (const table of event.target.querySelectorAll("table.is-choosable")) showChosen(table);
}
showAllChosen({ target: document });
document.addEventListener("htmx:afterSettle", showAllChosen);

// Completion of filters: the server offers what may follow at the caret; arrows choose, Escape closes.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.matches?.(".find input")) event.detail.parameters.set("at", event.target.selectionStart);
});
function closeOffers(find) {
  find.querySelector("#completions")?.replaceChildren();
}
document.addEventListener("click", (event) => {
  const find = event.target.closest?.(".find");
  const offer = event.target.closest?.(".completions button");
  if (!find) return document.querySelectorAll(".find").forEach(closeOffers);
  if (!offer) return;
  const input = find.querySelector("input[name=filter]");
  input.value = offer.dataset.before + offer.dataset.after;
  input.focus();
  input.setSelectionRange(offer.dataset.before.length, offer.dataset.before.length);
  input.dispatchEvent(new Event("input", { bubbles: true }));
});
document.addEventListener("keydown", (event) => {
  const find = event.target.closest?.(".find");
  if (!find) return;
  if (event.key === "Escape" && find.querySelector(".completions")) {
    event.preventDefault(); // a search field would be emptied
    closeOffers(find);
    find.querySelector("input[name=filter]").focus();
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const stops = [find.querySelector("input[name=filter]"), ...find.querySelectorAll(".completions button")];
  const next = stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
});

// A page that nobody looks at asks for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});

// Rows of a search that were changed meanwhile are not drawn as they were: the change is asked for next.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt: form, formData: sent } = event.detail.requestConfig ?? {};
  if (!form?.matches?.(".criteria form")) return;
  if ([...new FormData(form)].some(([name, value]) => sent.get(name) !== value)) event.detail.shouldSwap = false;
});

// A form that changes something is sent once: a second click within seconds does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (Date.now() - Number(form.dataset.sentAt ?? 0) < 3000) event.preventDefault();
  else form.dataset.sentAt = Date.now();
});

// A button with data-copy puts its text into the clipboard; without scripts it is not there.
function showCopies(event) {
  if (!navigator.clipboard) return;
  for (const button of event.target.querySelectorAll("[data-copy]")) button.hidden = false;
}
showCopies({ target: document });
document.addEventListener("htmx:afterSettle", showCopies);
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = button.dataset.done;
});

// Rows that can be put into another order: by dragging their handles, then saved by the form's first button.
for (const table of document.querySelectorAll("table[data-reorder]")) {
  for (const handle of table.querySelectorAll(".handle")) handle.hidden = false;
  const rows = () => [...table.tBodies[0].rows];
  let dragged = null;
  let before = [];
  table.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.(".handle")?.closest("tr") ?? null;
    if (!dragged) return;
    before = rows();
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setDragImage(dragged, 0, 0);
    dragged.classList.add("is-moved");
  });
  table.addEventListener("dragover", (event) => {
    const over = event.target.closest?.("tbody tr");
    if (!dragged || !over) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (over !== dragged) over[event.clientY < box.top + box.height / 2 ? "before" : "after"](dragged);
  });
  table.addEventListener("dragend", () => {
    if (dragged && rows().some((row, place) => row !== before[place])) table.closest("form").requestSubmit();
    dragged = null;
  });
}

// What a slider says is written beside it while it moves.
document.addEventListener("input", (event) => {
  const slider = event.target;
  const output = slider.type === "range" && document.querySelector(`output[for="${slider.id}"]`);
  if (!output) return;
  const label = slider.list && [...slider.list.options].find((option) => option.value === slider.value)?.label;
  output.textContent = label || slider.value + (output.dataset.unit ?? "");
  if (label) slider.setAttribute("aria-valuetext", label);
});
