// What the page does with a script; without one it has every figure all the same.
"use strict";

const root = document.documentElement;
const systemDark = matchMedia("(prefers-color-scheme: dark)");

function button(text, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", () => press(made));
  return made;
}

/** The text that stands in a script element as gzip in base64. */
async function unpack(element) {
  const letters = atob(element.textContent.trim());
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) bytes[at] = letters.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// The reader's colours: the system's, unless the page is told otherwise.

const THEMES = { auto: "light dark", light: "light", dark: "dark" };

function isDark() {
  return root.dataset.theme === "dark" || (root.dataset.theme !== "light" && systemDark.matches);
}

function setTheme(theme) {
  root.dataset.theme = theme;
  root.style.colorScheme = THEMES[theme];
  // A page that may keep nothing still changes its colours.
  try { localStorage.setItem("c10k-theme", theme); } catch { /* it may not */ }
  dispatchEvent(new Event("theme"));
}

function offerThemes() {
  let stored = "auto";
  try { stored = localStorage.getItem("c10k-theme") ?? stored; } catch { /* it may not */ }
  if (!Object.hasOwn(THEMES, stored)) stored = "auto";
  root.dataset.theme = stored;
  root.style.colorScheme = THEMES[stored];
  const names = Object.keys(THEMES);
  const name = (theme) => `Colours: ${theme}`;
  const made = button(name(stored), (made) => {
    const next = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    setTheme(next);
    made.textContent = name(next);
  });
  made.className = "theme";
  document.querySelector(".top").append(made);
}

// Downloads, from what the page carries: no network is asked.

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A value of a CSV file; what a spreadsheet would take for a formula becomes text. */
function field(value) {
  const text = typeof value === "string" && /^[=+\-@\t]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv(data) {
  const place = ["experiment", "service", "variant", "connections", "model", "outcome"];
  const columns = data.columns.filter(({ id }) => data.cells.some((cell) => id in cell.figures));
  const ends = ["median", "low", "high"];
  const heading = ({ id, unit }, end) => `${id}.${end}${unit ? ` (${unit})` : ""}`;
  const head = ["run", ...place, ...columns.flatMap((column) => ends.map((end) => heading(column, end)))];
  const rows = data.cells.map((cell) => [
    data.run,
    ...place.map((name) => cell[name]),
    ...columns.flatMap(({ id }) => ends.map((end) => cell.figures[id]?.[end])),
  ]);
  return [head, ...rows].map((row) => row.map(field).join(",")).join("\r\n");
}

function offerDownloads() {
  for (const place of document.querySelectorAll(".downloads")) {
    const data = () => unpack(place.parentElement.querySelector("script.data"));
    const name = place.dataset.name.replace(/[^\w.-]+/g, "_") || "run";
    place.append(
      "All figures of this run: ",
      button("JSON", async () => save(`${name}.json`, "application/json", await data())), " ",
      button("CSV", async () => save(`${name}.csv`, "text/csv", csv(JSON.parse(await data())))), " ",
      button("Print", () => print()),
    );
    place.hidden = false;
  }
}

/** A figure without an address of its own: its row's id, a dot, and its column's. */
function figureOf(id) {
  const dot = id.lastIndexOf(".");
  const row = document.getElementById(id.slice(0, dot));
  const heads = row?.closest("table")?.tHead?.rows[0].cells ?? [];
  const column = [...heads].findIndex((head) => head.dataset.column === id.slice(dot + 1));
  return row?.cells[column];
}

/** What a badge leads to is said beside it, too. */
function explain() {
  for (const badge of document.querySelectorAll(".badge")) {
    badge.title = document.getElementById(badge.hash.slice(1))?.querySelector("p")?.textContent ?? "";
  }
}

/** A link into closed details opens them. */
function reveal() {
  const id = decodeURIComponent(location.hash.slice(1));
  let target = document.getElementById(id);
  let moved = false;
  if (!target && (target = figureOf(id))) {
    // It is the target only once it is gone to with its id.
    target.id = id;
    location.replace(location.hash);
    moved = true;
  }
  if (target?.matches("details:not([open])")) target.open = moved = true;
  for (let details = target?.parentElement?.closest("details"); details; details = details.parentElement.closest("details")) {
    if (!details.open) details.open = moved = true;
  }
  if (moved) target.scrollIntoView();
}
