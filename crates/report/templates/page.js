// Draws the charts from the JSON that stands beside each of them; everything else on the page works without this.
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const darkFor = JSON.parse(document.getElementById("colours").textContent);
  // Below this width a label beside a line would leave no room for the line; the buttons above name it then.
  const LABELS_FROM_PX = 520;
  const NARROW_MARGIN_PX = 14;
  // Half a sheet of A4 or letter paper laid on its side; the window's width says nothing about it.
  const PAPER_PX = 470;
  let printing = false;

  /** The chart's JSON in the colours of the ground that it is drawn on. */
  function spec(figure) {
    let text = figure.querySelector("script").textContent;
    if (dark.matches && !printing) {
      text = text.replace(/"#[0-9a-f]{6}"/g, (colour) => JSON.stringify(darkFor[colour.slice(1, -1)] ?? colour.slice(1, -1)));
    }
    const chart = JSON.parse(text);
    if (printing) chart.layout.width = PAPER_PX;
    const narrow = !printing && figure.clientWidth < LABELS_FROM_PX;
    if (narrow && chart.data.some((trace) => trace.meta === "label")) {
      chart.data = chart.data.filter((trace) => trace.meta !== "label");
      chart.layout.margin.r = NARROW_MARGIN_PX;
      chart.layout.margin.l = 52;
    }
    figure.dataset.narrow = String(narrow);
    return chart;
  }

  function draw(figure) {
    // Opening the details draws what is in them.
    if (figure.closest("details:not([open])")) return;
    const hidden = hiddenIn(figure);
    const chart = spec(figure);
    for (const trace of chart.data) trace.visible = !hidden.has(trace.legendgroup);
    Plotly.react(figure.querySelector(".plot"), chart.data, chart.layout, chart.config);
  }

  /** Models that the buttons above a chart have switched off. */
  function hiddenIn(element) {
    const off = element.closest(".charted").querySelectorAll('.legend [aria-pressed="false"]');
    return new Set([...off].map((button) => button.dataset.group));
  }

  function show(charted) {
    const hidden = hiddenIn(charted);
    for (const plot of charted.querySelectorAll(".js-plotly-plot")) {
      Plotly.restyle(plot, { visible: plot.data.map((trace) => !hidden.has(trace.legendgroup)) });
    }
  }

  function press(button, alone) {
    const buttons = [...button.closest(".legend").querySelectorAll("button")];
    const isOn = (one) => one.getAttribute("aria-pressed") === "true";
    if (alone) {
      const already = buttons.every((one) => isOn(one) === (one === button));
      for (const one of buttons) one.setAttribute("aria-pressed", String(already || one === button));
    } else {
      button.setAttribute("aria-pressed", String(!isOn(button)));
    }
    show(button.closest(".charted"));
  }

  for (const legend of document.querySelectorAll(".legend")) {
    // A double click has toggled the button twice before, which is as good as never.
    legend.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) press(button, event.shiftKey);
    });
    legend.addEventListener("dblclick", (event) => {
      const button = event.target.closest("button");
      if (button) press(button, true);
    });
  }

  const figures = [...document.querySelectorAll("figure.chart")];
  const drawAll = () => figures.forEach(draw);

  document.documentElement.classList.add("js");
  // One a turn, so that the page answers while it draws.
  let next = 0;
  function drawNext() {
    if (next >= figures.length) {
      document.documentElement.dataset.drawn = "yes";
      return;
    }
    draw(figures[next++]);
    setTimeout(drawNext);
  }
  drawNext();

  dark.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { printing = true; drawAll(); });
  addEventListener("afterprint", () => { printing = false; drawAll(); });
  addEventListener("resize", () => {
    for (const figure of figures) {
      if (figure.dataset.narrow !== String(figure.clientWidth < LABELS_FROM_PX)) draw(figure);
    }
  });
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => {
      if (details.open) details.querySelectorAll("figure.chart").forEach(draw);
    });
  }
  /** A link into closed details opens them. */
  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    const details = target?.closest("details");
    if (details && !details.open) {
      details.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", reveal);
  reveal();
})();
