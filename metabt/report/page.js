"use strict";
// Colours that stay apart for colour-blind readers, one set for each background; the first is the portfolio's own.
const PALETTES = {
  light: ["#1c1c1a", "#0072b2", "#d55e00", "#009e73", "#b0609a", "#8a6d00", "#3f9fd8", "#7a5195", "#5f6b6d", "#a23b2a"],
  dark: ["#f4f4f2", "#4aa8e0", "#f08a45", "#35c99a", "#e29ccb", "#d9b93a", "#8fd0f5", "#b596d8", "#a8b3b5", "#e0806f"],
};
const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 40rem)");

function colour(style, name) {
  return style.getPropertyValue(name).trim();
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const palette = dark.matches ? PALETTES.dark : PALETTES.light;
  for (const [name, figure] of Object.entries(figures)) {
    const data = figure.data.map(({ slot, ...trace }) => {
      const own = slot ? palette[1 + ((slot - 1) % (palette.length - 1))] : palette[0];
      return { ...trace, line: { ...trace.line, color: own }, marker: { color: palette[1] } };
    });
    const axis = { gridcolor: colour(style, "--line"), zerolinecolor: colour(style, "--line"), fixedrange: narrow.matches };
    const layout = {
      font: { family: "system-ui, sans-serif", size: 13, color: colour(style, "--ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 55, r: 10, t: 10, b: 40 },
      hovermode: name === "holdings" ? "closest" : "x unified",
      hoverlabel: { bgcolor: colour(style, "--head") },
      legend: { orientation: "h", y: -0.15 },
      ...figure.layout,
      xaxis: { ...axis, ...figure.layout.xaxis },
      yaxis: { ...axis, ...figure.layout.yaxis },
    };
    Plotly.react(name, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  }
}

draw();
dark.addEventListener("change", draw);
narrow.addEventListener("change", draw);
