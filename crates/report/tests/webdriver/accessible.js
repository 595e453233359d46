// What a screen reader or a keyboard would stumble over, in words; the serious rules of axe-core that such a page can break.
const faults = new Set();
const fault = (text, element) => faults.add(`${text}: ${element.outerHTML.slice(0, 120)}`);
const name = (element) => element.getAttribute("aria-label") || element.textContent.trim() || element.title;
if (!document.documentElement.lang) faults.add("no language");
if (!document.title) faults.add("no title");
if (document.querySelectorAll("main").length !== 1) faults.add("not one main landmark");
let last = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
  const level = Number(heading.tagName[1]);
  if (level > last + 1) fault(`heading skips from ${last} to ${level}`, heading);
  if (!heading.textContent.trim()) fault("empty heading", heading);
  last = level;
}
for (const table of document.querySelectorAll("table")) {
  if (!table.caption?.textContent.trim()) fault("table without a caption", table);
  for (const head of table.querySelectorAll("th")) if (!head.scope) fault("heading without a scope", head);
}
for (const control of document.querySelectorAll("button, a[href], summary")) {
  if (!name(control)) fault("control without a name", control);
  if (control.tabIndex < 0) fault("control that no key reaches", control);
}
for (const control of document.querySelectorAll("button button, a button, button a, a a")) fault("control inside a control", control);
for (const drawing of document.querySelectorAll("[role=img]")) if (!drawing.getAttribute("aria-label")) fault("drawing without words", drawing);
for (const region of document.querySelectorAll("[role=region], [role=group], nav")) if (!region.getAttribute("aria-label")) fault("region without a name", region);
for (const area of document.querySelectorAll(".scroll, pre")) if (area.scrollWidth > area.clientWidth && area.tabIndex !== 0) fault("scrolls and no key reaches it", area);
for (const sorted of document.querySelectorAll("[aria-sort]")) if (sorted.tagName !== "TH") fault("sorts and is no heading", sorted);
for (const pressed of document.querySelectorAll("[aria-pressed]")) if (!["true", "false"].includes(pressed.getAttribute("aria-pressed"))) fault("neither pressed nor not", pressed);
for (const hidden of document.querySelectorAll("[aria-hidden=true]")) if (hidden.matches(":scope button, :scope a, button, a")) fault("hidden and reached", hidden);
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of ids.filter((id, place) => ids.indexOf(id) !== place && !id.match(/^(g|clip|legend|defs|topdefs|layers?)/))) faults.add(`two of ${id}`);
return [...faults];
