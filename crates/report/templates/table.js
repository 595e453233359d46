// Tables sort by a column: highest, lowest, and the record's own order again.

/** What a row is sorted by; what is not ranked or not measured has no value, and stays below. */
function sortKey(row, column) {
  let at = 0;
  for (const cell of row.cells) {
    if (column < at + cell.colSpan) {
      if (column > at || cell.colSpan > 1 || cell.querySelector("s")) return null;
      if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
      // The spread stands behind the figure, in an element of its own.
      const text = (cell.querySelector("small, p") ? cell.firstChild : cell).textContent.trim();
      const number = Number(text.replace(/[\s<≥]/g, ""));
      return text === "–" || text === "" ? null : Number.isNaN(number) ? text : number;
    }
    at += cell.colSpan;
  }
  return null;
}

function compare(one, other) {
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}

function sort(table, column, direction) {
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("block"));
    rows.forEach((row, place) => { row.dataset.place ??= place; });
    const own = (a, b) => a.dataset.place - b.dataset.place;
    const keys = new Map(rows.map((row) => [row, sortKey(row, column)]));
    rows.sort((a, b) => {
      const [one, other] = [keys.get(a), keys.get(b)];
      if (direction === "none") return own(a, b);
      if (one === null || other === null) return (one === null) - (other === null) || own(a, b);
      return (direction === "ascending" ? compare(one, other) : compare(other, one)) || own(a, b);
    });
    body.append(...rows);
  }
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const inside = document.createElement("button");
    inside.type = "button";
    inside.append(...head.childNodes);
    head.append(inside);
    head.setAttribute("aria-sort", "none");
    inside.addEventListener("click", () => {
      const order = head.classList.contains("n") ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
      const next = order[(order.indexOf(head.getAttribute("aria-sort")) + 1) % order.length];
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", next);
      sort(table, column, next);
    });
  });
}
