"use strict";
// Draws the curves of the page's JSON with uPlot: in the theme's colours, as wide as their panels, and again for print.
(() => {
  const PRINT_WIDTH = 620;
  const data = JSON.parse(document.getElementById("plots").textContent);
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: Math.abs(value) < 1e3 ? 3 : 21, maximumFractionDigits: Math.abs(value) < 1e3 ? undefined : 0 });
  const tick = (value) => value === null ? "" : value.toLocaleString("en", { maximumSignificantDigits: 6 });
  const stroke = (index) => () => colour(`--c${index % 6}`);
  const SHAPES = {
    line: () => uPlot.paths.linear(),
    steps: () => uPlot.paths.stepped({ align: 1, alignGaps: 1 }),
    points: () => () => null,
  };

  // Steps that no other step touches may be too short to be seen: their beginning is a point too.
  const none = () => [];
  function single(u, index) {
    const y = u.data[index];
    const known = (at) => at >= 0 && at < y.length && y[at] !== null && y[at] !== undefined;
    return [...y.keys()].filter((at) => known(at) && !known(at - 1) && (!known(at + 1) || at + 2 === y.length));
  }

  function series(plot, curve, index) {
    const alone = plot.curves.length === 1 && curve.shape === "steps" && !plot.log;
    return {
      label: curve.name || plot.y_title,
      stroke: stroke(index),
      width: curve.shape === "points" ? 0 : 2,
      dash: curve.dashed ? [7, 5] : undefined,
      fill: alone ? () => colour(`--c${index % 6}`) + "44" : undefined,
      paths: SHAPES[curve.shape](),
      points: { show: true, size: curve.shape === "points" ? 8 : 5, fill: stroke(index), filter: curve.gaps ? single : curve.shape === "points" || curve.x.length === 1 ? undefined : none },
    };
  }

  function axis(size, more) {
    return {
      stroke: () => colour("--soft"), font: "12px system-ui, sans-serif", size,
      grid: { stroke: () => colour("--line"), width: 1 }, ticks: { stroke: () => colour("--line-strong"), width: 1, size: 4 },
      values: (_, values) => values.map(tick), ...more,
    };
  }

  // As wide as the longest number beside it.
  const widthOfNumbers = (_, values) => 18 + 7 * Math.max(1, ...(values || []).map((text) => (text || "").length));

  function options(plot, width) {
    const y = plot.log
      ? { distr: 3 }
      : { range: (_, low, high) => [Math.min(0, low ?? 0), plot.y_title.endsWith("%") ? 100 : uPlot.rangeNum(0, high || 1, 0.1, true)[1]] };
    return {
      width, height: width < 480 ? 200 : width < 800 ? 260 : 320,
      scales: { x: { time: false, range: (_, low, high) => plot.x_end !== null ? [0, plot.x_end] : low === high ? [low - 0.5, high + 0.5] : [low, high] }, y },
      series: [{}, ...plot.curves.map((curve, index) => series(plot, curve, index))],
      axes: [axis(28, plot.x_steps.length ? { incrs: plot.x_steps } : {}), axis(widthOfNumbers, {})],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
      padding: [8, 12, 0, 0],
    };
  }

  // The names below a plot: each shows or hides its curve, and has the value under the pointer.
  function names(plot, drawn, place) {
    const values = plot.curves.map((curve, index) => {
      const button = document.createElement("button");
      const key = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      key.setAttribute("class", "key");
      mark.setAttribute("class", `c${index % 6}`);
      mark.setAttribute("width", "100%");
      mark.setAttribute("height", curve.dashed ? "45%" : "100%");
      key.append(mark);
      const value = document.createElement("b");
      button.type = "button";
      button.ariaPressed = "true";
      button.append(key, curve.name, value);
      button.addEventListener("click", () => {
        const show = button.ariaPressed !== "true";
        button.ariaPressed = String(show);
        drawn().setSeries(index + 1, { show });
      });
      place.append(button);
      return value;
    });
    return (u) => values.forEach((value, index) => {
      const found = u.cursor.idx === null ? null : u.data[index + 1][u.cursor.idxs[index + 1]];
      value.textContent = found === null || found === undefined ? "" : number(found);
    });
  }

  function draw(plot, index) {
    const place = document.getElementById(`plot${index}`);
    const width = () => root.classList.contains("printed") ? PRINT_WIDTH : Math.max(place.clientWidth, 200);
    const joined = uPlot.join(plot.curves.map((curve) => [curve.x, curve.y]));
    place.replaceChildren();
    place.closest("figure").querySelector("details").open = false;
    if (!joined[0].length) return () => {};
    let shown;
    const told = plot.curves.length > 1 ? names(plot, () => shown, document.getElementById(`names${index}`)) : () => {};
    shown = new uPlot({ ...options(plot, width()), hooks: { setCursor: [told] } }, joined, place);
    return () => {
      const { width: now, height } = options(plot, width());
      if (shown.width !== now || shown.height !== height) shown.setSize({ width: now, height });
      shown.redraw(false, true);
    };
  }

  const redraws = data.map(draw);
  const redraw = () => redraws.forEach((each) => each());
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(redraw); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.classList.add("printed"); redraw(); });
  addEventListener("afterprint", () => { root.classList.remove("printed"); redraw(); });
})();
