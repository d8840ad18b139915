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
