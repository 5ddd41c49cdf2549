"use strict";
const PALETTES = JSON.parse(document.getElementById("palettes").textContent);
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 40rem)");
const buttons = [...document.querySelectorAll("button[data-path]")];
let chosen = null; // the path of the sleeve that the curves show with what is beneath it; null shows what they began with
let printing = false;

function colour(style, name) {
  return style.getPropertyValue(name).trim();
}

function visible(trace) {
  if (chosen === null || trace.path === undefined) return trace.visible ?? true;
  return trace.path === chosen || trace.path.startsWith(chosen + "/");
}

function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const STATISTICS = { median: middle, best: (values) => Math.max(...values), worst: (values) => Math.min(...values), mean: (values) => values.reduce((a, b) => a + b, 0) / values.length };

// A heat map of what a reader chose: one cell for two values, about all rows that have both.
function chosenMap(figure) {
  const { choices, picked } = figure;
  const [across, up] = [choices.keys[picked.across], choices.keys[picked.up]];
  const metric = choices.metrics[picked.metric];
  const cells = up.values.map(() => across.values.map(() => []));
  metric.values.forEach((value, row) => {
    if (value !== null) cells[up.places[row]][across.places[row]].push(value);
  });
  const z = cells.map((row) => row.map((found) => (found.length ? STATISTICS[picked.statistic](found) : null)));
  const text = cells.map((row) => row.map((found) => found.length.toLocaleString("en")));
  const written = across.values.length * up.values.length <= 150 && !(narrow.matches && across.values.length > 5);
  figure.layout.xaxis.title = { text: across.title };
  figure.layout.yaxis.title = { text: up.title };
  return [{ type: "heatmap", sequential: true, x: across.values, y: up.values, z, text, ...(written ? { texttemplate: `%{z:${metric.format}}` } : {}), hovertemplate: `${across.title} %{x}, ${up.title} %{y}<br>%{z:${metric.format}}, of %{text}<extra></extra>`, colorbarformat: metric.format }];
}

// The lists from which a reader chooses stand above the figure.
function offer(name) {
  const figure = figures[name];
  figure.picked = { across: 0, up: 1, metric: 0, statistic: "median" };
  const keys = figure.choices.keys.map((key, place) => [place, key.label]);
  const lists = { across: ["across", keys], up: ["up", keys], metric: ["metric", figure.choices.metrics.map((metric, place) => [place, metric.label])], statistic: ["shown", Object.keys(STATISTICS).map((word) => [word, word])] };
  const bar = document.createElement("div");
  bar.className = "choices";
  for (const [part, [word, options]] of Object.entries(lists)) {
    const label = document.createElement("label");
    const list = document.createElement("select");
    for (const [value, text] of options) list.add(new Option(text, value));
    list.name = part;
    list.value = figure.picked[part];
    list.addEventListener("change", () => {
      figure.picked[part] = part === "statistic" ? list.value : Number(list.value);
      draw(name);
    });
    label.append(word + " ", list);
    bar.append(label);
  }
  document.getElementById("figure-" + name).before(bar);
}

function drawn(figure, name, style, palette) {
  const traces = figure.choices ? chosenMap(figure) : figure.data;
  return traces.map((trace) => {
    const { slot, path, first, diverging, sequential, colorbarformat, ...plain } = trace;
    if (sequential) {
      const scale = [[0, colour(style, "--page")], [1, colour(style, "--up")]];
      return { ...plain, colorscale: scale, showscale: !narrow.matches, colorbar: { thickness: 10, outlinewidth: 0, tickformat: colorbarformat } };
    }
    const own = slot === -2 ? colour(style, "--against") : slot < 0 ? colour(style, "--quiet") : slot ? palette[1 + ((slot - 1) % (palette.length - 1))] : palette[0];
    if (diverging) {
      const scale = [[0, colour(style, "--down")], [0.5, colour(style, "--page")], [1, colour(style, "--up")]];
      return { ...plain, colorscale: scale, showscale: !narrow.matches, colorbar: { thickness: 10, outlinewidth: 0 } };
    }
    const x = plain.x ?? figure.x.slice(first ?? 0);
    const shown = name === "growth" ? visible(trace) : plain.visible ?? true;
    const fill = plain.stackgroup ? { fillcolor: own + (palette === PALETTES.dark ? "b0" : "a0") } : {};
    return { ...plain, ...fill, x, visible: shown, line: { ...plain.line, color: own }, marker: { ...plain.marker, color: own, size: plain.mode === "markers" ? 8 : 5 } };
  });
}

function laidOut(figure, style) {
  const line = colour(style, "--line");
  const axis = { gridcolor: line, zerolinecolor: line, fixedrange: narrow.matches, automargin: true };
  const axes = { xaxis: {}, yaxis: {}, ...figure.layout };
  const layout = {
    font: { family: "system-ui, sans-serif", size: narrow.matches ? 11 : 13, color: colour(style, "--ink") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: narrow.matches ? 40 : 60, r: 10, t: 10, b: 30 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour(style, "--head") },
    legend: { orientation: "h", y: -0.08, yanchor: "top", itemdoubleclick: false },
    barmode: "relative",
    ...figure.layout,
  };
  for (const [name, own] of Object.entries(axes)) {
    if (/^[xy]axis/.test(name)) layout[name] = { ...axis, ...own };
  }
  return layout;
}

function choose(path) {
  chosen = chosen === path ? null : path;
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.path === chosen));
  if (figures.growth) draw("growth");
}

function draw(name) {
  const style = getComputedStyle(document.documentElement);
  const palette = dark.matches && !printing ? PALETTES.dark : PALETTES.light;
  const place = document.getElementById("figure-" + name);
  const first = !place.classList.contains("js-plotly-plot");
  if (first && figures[name].choices) offer(name);
  const options = { responsive: true, displaylogo: false, displayModeBar: false };
  const layout = laidOut(figures[name], style);
  if (printing) layout.width = place.clientWidth; // a browser does not wait for a figure to find its own size
  Plotly.react(place, drawn(figures[name], name, style, palette), layout, options);
  if (first && name === "growth") {
    place.on("plotly_legendclick", (event) => {
      const { path } = figures.growth.data[event.curveNumber];
      if (path === undefined) return true; // what the portfolio is set against is shown or hidden by itself
      choose(path);
      return false;
    });
  }
}

// One figure at a time, so that the page can be read and scrolled from the beginning.
function drawFrom(names) {
  if (!names.length) {
    document.documentElement.dataset.drawn = "all";
    return;
  }
  draw(names[0]);
  setTimeout(drawFrom, 0, names.slice(1));
}

function drawAll() {
  for (const name of Object.keys(figures)) draw(name);
}

// Paper is narrower than most screens, and always light; a figure has to be drawn anew for it.
function print(on) {
  printing = on;
  document.documentElement.classList.toggle("printing", on);
  drawAll();
  if (!on) for (const place of document.querySelectorAll(".chart")) Plotly.Plots.resize(place);
}

for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.path));
drawFrom(Object.keys(figures));
dark.addEventListener("change", drawAll);
narrow.addEventListener("change", drawAll);
window.addEventListener("beforeprint", () => print(true));
window.addEventListener("afterprint", () => print(false));
