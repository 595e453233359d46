// Charts are drawn from JSON that the page carries packed, since it is of no use without a script.

const darkFor = JSON.parse(document.getElementById("colours").textContent);
// Below this width a label beside a line would leave no room for the line; the buttons above name it then.
const LABELS_FROM_PX = 520;
const NARROW_MARGIN_PX = 14;
const LINES_MAX = 12;
// Half a sheet of A4 or letter paper laid on its side; the window's width says nothing about it.
const PAPER_PX = 470;
const figures = [...document.querySelectorAll("figure.chart")];
let printing = false;
// Each chart's JSON by the figure's id.
let specs = {};
// How far out of sight a chart is drawn, so that scrolling finds it there.
const AHEAD = "150% 0px";

function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/** What the buttons above a chart ask for. */
function asked(element) {
  const legend = element.closest(".charted").querySelector(".legend");
  const models = [...legend.querySelectorAll("[data-group]")];
  return {
    hidden: new Set(models.filter((button) => !isPressed(button)).map((button) => button.dataset.group)),
    log: isPressed(legend.querySelector("[data-show=log]")),
    spread: isPressed(legend.querySelector("[data-show=spread]")),
  };
}

/** From zero, with plain ticks; names beside lines stay apart. */
function linear(chart) {
  const across = chart.layout.yaxis.type === "category";
  const axis = chart.layout[across ? "xaxis" : "yaxis"];
  for (const name of ["range", "tickvals", "ticktext"]) delete axis[name];
  Object.assign(axis, { type: "linear", autorange: true, rangemode: "tozero", tickmode: "auto" });
  if (across) return;
  const labels = chart.data.filter((trace) => trace.meta === "label");
  const lines = chart.data.filter((trace) => trace.meta !== "label");
  const highest = Math.max(...lines.flatMap((trace) => trace.y));
  const gap = highest * 0.055;
  let floor = -Infinity;
  for (const label of labels) label.y = [lines.findLast((trace) => trace.legendgroup === label.legendgroup)?.y.at(-1) ?? 0];
  for (const label of labels.sort((a, b) => a.y[0] - b.y[0])) {
    label.y[0] = Math.max(label.y[0], floor + gap);
    floor = label.y[0];
  }
}

/** The chart's JSON in the colours of the ground that it is drawn on, as the buttons ask. */
function spec(figure) {
  let text = specs[figure.id];
  if (isDark() && !printing) {
    text = text.replace(/#[0-9a-f]{6}/g, (colour) => darkFor[colour] ?? colour);
  }
  const chart = JSON.parse(text);
  const { hidden, log, spread } = asked(figure);
  if (!log) linear(chart);
  if (printing) chart.layout.width = PAPER_PX;
  const narrow = !printing && figure.clientWidth < LABELS_FROM_PX;
  if (narrow && chart.data.some((trace) => trace.meta === "label")) {
    chart.data = chart.data.filter((trace) => trace.meta !== "label");
    chart.layout.margin.r = NARROW_MARGIN_PX;
    chart.layout.margin.l = 52;
  }
  figure.dataset.narrow = String(narrow);
  for (const trace of chart.data) {
    trace.visible = !hidden.has(trace.legendgroup);
    for (const bars of [trace.error_x, trace.error_y]) if (bars) bars.visible = spread;
  }
  chart.config.toImageButtonOptions = { filename: figure.id, scale: 2 };
  return chart;
}

function draw(figure) {
  // Opening the details draws what is in them.
  if (figure.closest("details:not([open])")) return;
  const chart = spec(figure);
  Plotly.react(figure.querySelector(".plot"), chart.data, chart.layout, chart.config);
}

function isDrawn(figure) {
  return figure.querySelector(".main-svg") !== null;
}

/** Draws again what is drawn, what is in sight first, one a turn, so that the page answers meanwhile. */
function drawAgain() {
  const near = (figure) => Math.abs(figure.getBoundingClientRect().top);
  const waiting = figures.filter(isDrawn).map((figure) => [near(figure), figure]).sort((a, b) => b[0] - a[0]);
  const next = () => {
    const [, figure] = waiting.pop() ?? [];
    if (!figure) return;
    draw(figure);
    setTimeout(next);
  };
  next();
}

/** Draws each chart when it comes near: a long page has more of them than anybody scrolls to. */
function drawWhenNear() {
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting && !isDrawn(target)) draw(target);
    root.dataset.drawn = "yes";
  }, { rootMargin: AHEAD });
  for (const figure of figures) observer.observe(figure);
  if (figures.length === 0) root.dataset.drawn = "yes";
}

function redraw(charted) {
  [...charted.querySelectorAll("figure.chart")].filter(isDrawn).forEach(draw);
}

function press(button, alone) {
  const buttons = [...button.closest(".legend").querySelectorAll("[data-group]")];
  if (alone) {
    const already = buttons.every((one) => isPressed(one) === (one === button));
    for (const one of buttons) one.setAttribute("aria-pressed", String(already || one === button));
  } else {
    button.setAttribute("aria-pressed", String(!isPressed(button)));
  }
  redraw(button.closest(".charted"));
}

function control(legend) {
  // Whiskers of so many lines at so many rates would hide them all.
  const crowded = legend.closest(".charted").id.includes("offered.") && legend.querySelectorAll("[data-group]").length > LINES_MAX;
  const toggle = (name, text, pressed) => {
    const made = button(text, (made) => {
      made.setAttribute("aria-pressed", String(!isPressed(made)));
      redraw(legend.closest(".charted"));
    });
    made.dataset.show = name;
    made.className = "control";
    made.setAttribute("aria-pressed", String(pressed));
    return made;
  };
  const every = (text, shown) => {
    const made = button(text, () => {
      for (const one of legend.querySelectorAll("[data-group]")) one.setAttribute("aria-pressed", String(shown));
      redraw(legend.closest(".charted"));
    });
    made.className = "control";
    return made;
  };
  legend.append(every("All", true), every("None", false), toggle("log", "Log scale", true), toggle("spread", "Spreads", !crowded));
  // A double click has toggled the button twice before, which is as good as never.
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("[data-group]");
    if (button) press(button, event.shiftKey);
  });
  legend.addEventListener("dblclick", (event) => {
    const button = event.target.closest("[data-group]");
    if (button) press(button, true);
  });
}

async function startCharts() {
  document.querySelectorAll(".legend").forEach(control);
  const script = document.createElement("script");
  script.textContent = await unpack(document.getElementById("plotly"));
  document.head.append(script);
  specs = JSON.parse(await unpack(document.getElementById("charts")));
  drawWhenNear();
  systemDark.addEventListener("change", drawAgain);
  addEventListener("theme", drawAgain);
  addEventListener("beforeprint", () => { printing = true; figures.forEach(draw); });
  addEventListener("afterprint", () => { printing = false; drawAgain(); });
  addEventListener("resize", () => {
    for (const figure of figures) {
      if (isDrawn(figure) && figure.dataset.narrow !== String(figure.clientWidth < LABELS_FROM_PX)) draw(figure);
    }
  });
}

offerThemes();
offerDownloads();
document.querySelectorAll("table.sortable").forEach(makeSortable);
explain();
addEventListener("hashchange", reveal);
reveal();
root.classList.add("js");
// After the first paint: plotly is large, and the words need none of it.
requestAnimationFrame(() => setTimeout(() => startCharts().catch((error) => {
  // A browser of before 2023 cannot unpack it: the tables have every figure.
  root.classList.remove("js");
  console.warn("no charts:", error);
})));
