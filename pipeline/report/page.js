"use strict";
// Sorting: the headings of sortable tables become buttons; up, down, then the first order again.
function keyOf(row, column) {
  return row.cells[column].dataset.key;
}
function compare(a, b) {
  const x = Number(a), y = Number(b);
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
}
function sort(table, rows, column, direction) {
  const known = rows.filter((row) => keyOf(row, column) !== "");
  const unknown = rows.filter((row) => keyOf(row, column) === "");
  const sign = { ascending: 1, descending: -1 }[direction];
  if (sign) known.sort((r, s) => sign * compare(keyOf(r, column), keyOf(s, column)));
  table.tBodies[0].append(...(sign ? [...known, ...unknown] : rows));
}
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      const direction = next === undefined ? "ascending" : next;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (direction) head.setAttribute("aria-sort", direction);
      sort(table, rows, column, direction);
    });
  });
}
// What is folded away on the screen is printed.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
