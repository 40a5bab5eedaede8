// Column heads of a table sort it: the first click by size, largest first, or by name; the next the other way.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const number = parseFloat(cell.textContent);
    return cell.classList.contains("n") ? (Number.isNaN(number) ? -Infinity : number) : cell.textContent.trim();
  };
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("button")?.parentElement;
    if (!head) return;
    const column = head.cellIndex;
    const numbers = head.classList.contains("n");
    const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : !numbers;
    const order = (a, b) => (numbers ? a - b : a.localeCompare(b)) * (up ? 1 : -1);
    const rows = [...body.rows].sort((a, b) => order(value(a, column), value(b, column)));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows);
  });
}
