"use strict";

// What is shown: values as nas.report.page.contents makes them. Every text in them is foreign: it is
// put into the page as text, and into Plotly, which reads tags, by `plain`.
const COLOURS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a7a00", "#5b5bd6", "#444b54"],
  dark: ["#56b4e9", "#f28e4b", "#3fcfa0", "#e79ac4", "#e3d34a", "#a5a5ff", "#c3cad3"],
};
const page = {
  values: null, cost: null, chosen: null, sort: { key: "quality", down: true }, scores: "f1",
};

function start() {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const live = read("live");
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(dark ? "dark" : "light");
  document.getElementById("theme").onclick = () => {
    setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    draw();
  };
  document.getElementById("cost").onchange = (event) => { page.cost = event.target.value; draw(); };
  document.getElementById("logarithmic").onchange = drawFront;
  document.getElementById("filter").oninput = drawTable;
  document.getElementById("only-front").onchange = drawTable;
  const values = read("values");
  if (values) show(values);
  if (live) follow(live);
}

function show(values) {
  page.values = values;
  const select = document.getElementById("cost");
  const names = values.costs.map((cost) => cost.name);
  if (!names.includes(page.cost)) page.cost = values.cost;
  select.replaceChildren(...values.costs.map((cost) => {
    const option = element("option", cost.label);
    option.value = cost.name;
    option.selected = cost.name === page.cost;
    return option;
  }));
  document.getElementById("cost-label").hidden = names.length < 2;
  draw();
}

async function follow(address) {
  let known = null;
  const state = document.getElementById("state");
  for (;;) {
    try {
      const response = await fetch(address, { cache: "no-store" });
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      if (text !== known) { known = text; show(JSON.parse(text)); }
      state.textContent = `read at ${new Date().toLocaleTimeString()}`;
    } catch (error) {
      state.textContent = `not read: ${error.message}`;
    }
    await new Promise((done) => setTimeout(done, 3000));
  }
}

// -- small things

function element(tag, text, options = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  return Object.assign(made, options);
}

function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
    .replace(/\$/g, "&#36;");
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = name === "dark" ? "light" : "dark";
}

function colour(index) {
  const known = COLOURS[document.documentElement.dataset.theme];
  return known[index % known.length];
}

function costOf(name) {
  return page.values.costs.find((cost) => cost.name === name)
    || { name, label: name, unit: "", prefixed: false };
}

function score(value) { return value === null || value === undefined ? "–" : value.toFixed(4); }

function amount(name, value) {
  if (value === null || value === undefined) return "–";
  for (const [limit, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "K"]]) {
    if (Math.abs(value) >= limit) return `${Number((value / limit).toPrecision(3))} ${prefix}`;
  }
  return String(Number(value.toPrecision(3)));
}

function axisOf(cost) {
  const { label, unit } = costOf(cost);
  return unit && unit !== label ? `${label} (${unit})` : label;
}

function pairs(rows) {
  const list = element("dl", null, { className: "pairs" });
  for (const [name, value] of rows) list.append(element("dt", name), element("dd", value));
  return list;
}

function counted(run) { return run.trials.filter((trial) => trial.counts); }

function style() {
  const of = getComputedStyle(document.documentElement);
  const colour = (name) => of.getPropertyValue(name).trim();
  return { ink: colour("--ink"), line: colour("--line"), faint: colour("--faint"),
    panel: colour("--panel"), accent: colour("--accent") };
}

// Plots are drawn when they come into view, so that a page of many candidates opens at once.
const waiting = new Map();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && waiting.has(target)) {
      seen.unobserve(target);
      waiting.get(target)();
      waiting.delete(target);
    }
  }
}, { rootMargin: "200px" });

function plot(id, traces, layout = {}, onClick = null) {
  const target = typeof id === "string" ? document.getElementById(id) : id;
  waiting.set(target, () => plotNow(target, traces, layout, onClick));
  // Observed anew, it is told at once whether it is in view.
  seen.unobserve(target);
  seen.observe(target);
}

function plotNow(target, traces, layout, onClick) {
  const { ink, line } = style();
  const axis = (more) => ({ gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true,
    ...more });
  Plotly.react(target, traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, family: "system-ui, sans-serif", size: 12 },
    margin: { l: 60, r: 16, t: 28, b: 56 },
    hoverlabel: { align: "left" }, legend: { orientation: "h", y: 1.12 },
    colorway: COLOURS[document.documentElement.dataset.theme],
    ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
  }, { responsive: true, displayModeBar: false });
  if (onClick) {
    target.removeAllListeners("plotly_click");
    target.on("plotly_click", onClick);
  }
}

// What a legend calls something of a run: its name is left out where there is no other.
function called(run, what) {
  return plain(page.values.runs.length > 1 ? `${run.name}: ${what}` : what);
}

function title(text) { return { text: plain(text) }; }

// -- the page

function draw() {
  const { values } = page;
  const names = values.runs.map((run) => run.name);
  document.getElementById("title").textContent = names.join(", ");
  const notes = [...values.notes, ...values.runs.flatMap((run) => run.notes)];
  document.getElementById("notes").replaceChildren(
    ...notes.map((note) => element("p", note, { className: "note" })));
  drawSummary();
  drawFront();
  drawCourse();
  drawTable();
  drawClasses();
  drawHistograms();
  drawAgreement();
  drawLayers();
  drawPictures();
  drawFacts();
  drawCandidate();
}

function drawSummary() {
  const box = element("div", null, { className: "runs" });
  for (const run of page.values.runs) {
    const part = element("div");
    part.append(element("h2", run.path), pairs(run.summary));
    box.append(part);
  }
  document.getElementById("summary").replaceChildren(box);
}

function frontOf(trials, cost) {
  const sorted = trials.filter((trial) => trial.quality !== null && trial.costs[cost] !== null
    && trial.costs[cost] !== undefined)
    .sort((a, b) => a.costs[cost] - b.costs[cost] || b.quality - a.quality);
  const front = [];
  for (const trial of sorted) {
    const last = front[front.length - 1];
    // Of two that are equal in both, neither beats the other.
    const equal = last && trial.quality === last.quality && trial.costs[cost] === last.costs[cost];
    if (!last || trial.quality > last.quality || equal) front.push(trial);
  }
  return front;
}

function described(run, trial) {
  const costs = page.values.costs.map((cost) =>
    `${plain(cost.label)} ${amount(cost.name, trial.costs[cost.name])}${cost.unit === "ms" ? " ms" : ""}`);
  const classes = Object.entries((trial.scores[scoreShown(run)] || {}))
    .slice(0, 12).map(([name, value]) => `${plain(name)} ${score(value)}`);
  const lines = [`<b>trial ${trial.trial}</b>, quality ${score(trial.quality)}`];
  if (trial.reward !== null) lines[0] += `, reward ${score(trial.reward)}`;
  lines.push(costs.join(", "));
  for (let at = 0; at < classes.length; at += 4) lines.push(classes.slice(at, at + 4).join(", "));
  if (trial.seconds.total !== undefined) lines.push(`${Number(trial.seconds.total.toPrecision(3))} s`);
  lines.push(plain(shortened(trial.genotype)));
  return lines.join("<br>");
}

function shortened(text) { return text.length > 90 ? `${text.slice(0, 88)} …` : text; }

function scoreShown(run) {
  const known = counted(run).find((trial) => Object.keys(trial.scores).length);
  if (!known) return page.scores;
  return page.scores in known.scores ? page.scores : Object.keys(known.scores)[0];
}

function drawFront() {
  const { cost } = page;
  const traces = [];
  page.values.runs.forEach((run, index) => {
    const own = colour(index);
    const trials = counted(run);
    const front = frontOf(trials, cost);
    const onFront = new Set(front.map((trial) => trial.trial));
    const others = trials.filter((trial) => !onFront.has(trial.trial));
    const points = (group, name, more) => ({
      type: "scattergl", mode: "markers", name, legendgroup: String(index),
      x: group.map((trial) => trial.costs[cost]), y: group.map((trial) => trial.quality),
      customdata: group.map((trial) => [index, trial.trial]),
      hovertext: group.map((trial) => described(run, trial)), hoverinfo: "text", ...more,
    });
    traces.push({ type: "scatter", mode: "lines", hoverinfo: "skip", showlegend: false,
      legendgroup: String(index), x: front.map((t) => t.costs[cost]), y: front.map((t) => t.quality),
      line: { color: own, shape: "hv", width: 1.5 } });
    traces.push(points(others, called(run, "candidates"), {
      marker: { color: own, opacity: 0.4, size: 7 } }));
    traces.push(points(front, called(run, "front"), {
      marker: { color: own, size: 10, line: { color: style().panel, width: 1 } } }));
  });
  const shapes = page.values.runs.filter((run) => cost in run.limits).map((run) => ({
    type: "line", xref: "x", yref: "paper", x0: run.limits[cost], x1: run.limits[cost], y0: 0, y1: 1,
    line: { color: style().faint, dash: "dash", width: 1 },
    label: { text: "limit", textangle: 0, textposition: "end", font: { color: style().faint } } }));
  const logarithmic = document.getElementById("logarithmic").checked;
  plot("front", traces, { hovermode: "closest", shapes,
    xaxis: { title: title(axisOf(cost)), type: logarithmic ? "log" : "linear" },
    yaxis: { title: title("quality") } }, (event) => {
    const data = event.points[0].customdata;
    if (data) choose(data[0], data[1]);
  });
}

function drawCourse() {
  const traces = [], volumes = [];
  page.values.runs.forEach((run, index) => {
    if (!run.course.trials) return;
    const own = colour(index);
    const line = (y, name, dash) => ({ type: "scatter", mode: "lines", name,
      x: run.course.trials, y, line: { color: own, dash, shape: "hv" } });
    traces.push({ type: "scattergl", mode: "markers", showlegend: false,
      x: counted(run).map((t) => t.trial), y: counted(run).map((t) => t.quality),
      hovertext: counted(run).map((trial) => described(run, trial)), hoverinfo: "text",
      marker: { color: own, opacity: 0.4, size: 5 } });
    traces.push(line(run.course.best.quality, called(run, "best quality"), "solid"));
    const reward = run.course.best.reward;
    if (reward && reward.some((value, at) => value !== run.course.best.quality[at])) {
      traces.push(line(reward, called(run, "best reward"), "dot"));
    }
    volumes.push(line(run.course.hypervolume, plain(run.name), "solid"));
  });
  plot("course", traces, { xaxis: { title: title("trial") }, yaxis: { title: title("quality") } });
  plot("volume", volumes, { xaxis: { title: title("trial") },
    yaxis: { title: title("hypervolume") }, showlegend: page.values.runs.length > 1 });
  const first = page.values.runs.find((run) => run.course.trials);
  document.getElementById("volume-meaning").textContent = first
    ? `Hypervolume: the best quality within a budget of ${costOf(page.values.cost).label}, averaged `
      + `over all budgets up to ${amount(page.values.cost, first.course.reference)}.`
    : "No candidate is finished yet.";
}

// -- the table

function columns() {
  const several = page.values.runs.length > 1;
  return [
    { key: "trial", label: "trial", of: (row) => row.trial.trial },
    ...(several ? [{ key: "run", label: "run", of: (row) => row.run.name, text: true }] : []),
    { key: "quality", label: "quality", of: (row) => row.trial.quality, show: score },
    { key: "reward", label: "reward", of: (row) => row.trial.reward, show: score },
    ...page.values.costs.map((cost) => ({ key: cost.name, label: cost.label,
      of: (row) => row.trial.costs[cost.name] ?? null, show: (v) => amount(cost.name, v) })),
    { key: "seconds", label: "seconds", of: (row) => row.trial.seconds.total ?? null,
      show: (value) => (value === null ? "–" : value.toFixed(1)) },
    { key: "state", label: "state", of: (row) => row.trial.state, text: true },
    { key: "genotype", label: "genotype", of: (row) => row.trial.genotype, text: true },
  ];
}

const FACTORS = { k: 1e3, m: 1e6, g: 1e9 };

function matcher(text, known) {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const found = word.match(/^([^<>=]+)(<=|>=|<|>|=)(-?[\d.]+)([kmg]?)$/);
    const column = found && known.find((one) => one.key.toLowerCase() === found[1]
      || one.label.toLowerCase() === found[1]);
    if (!column) {
      return (row) => known.some((one) => String(one.of(row) ?? "").toLowerCase().includes(word));
    }
    const limit = Number(found[3]) * (FACTORS[found[4]] || 1);
    const holds = { "<": (v) => v < limit, ">": (v) => v > limit, "=": (v) => v === limit,
      "<=": (v) => v <= limit, ">=": (v) => v >= limit }[found[2]];
    return (row) => { const value = column.of(row); return value !== null && holds(value); };
  });
  return (row) => tests.every((test) => test(row));
}

function drawTable() {
  const known = columns(), { key, down } = page.sort;
  const all = page.values.runs.flatMap((run, index) =>
    run.trials.map((trial) => ({ run, index, trial })));
  const fits = matcher(document.getElementById("filter").value, known);
  const fronts = page.values.runs.map((run) =>
    new Set(frontOf(counted(run), page.cost).map((trial) => trial.trial)));
  const onlyFront = document.getElementById("only-front").checked;
  const rows = all.filter((row) => fits(row)
    && (!onlyFront || fronts[row.index].has(row.trial.trial)));
  const by = known.find((column) => column.key === key) || known[0];
  const order = (a, b) => {
    const [left, right] = [by.of(a), by.of(b)];
    if (left === null || right === null) return (left === null) - (right === null);
    const sign = left < right ? -1 : left > right ? 1 : 0;
    return down ? -sign : sign;
  };
  rows.sort(order);
  const head = element("tr");
  for (const column of known) {
    const arrow = column.key === by.key ? (down ? " ▾" : " ▴") : "";
    const cell = element("th", column.label + arrow, { className: column.text ? "text" : "",
      tabIndex: 0 });
    const sort = () => {
      const again = page.sort.key === column.key;
      page.sort = { key: column.key, down: again ? !page.sort.down : !column.text };
      drawTable();
    };
    cell.onclick = sort;
    cell.onkeydown = (event) => { if (event.key === "Enter") sort(); };
    head.append(cell);
  }
  const body = document.createDocumentFragment();
  for (const row of rows) {
    const line = element("tr", null, { tabIndex: 0 });
    if (fronts[row.index].has(row.trial.trial)) line.classList.add("on-front");
    const chosen = page.chosen;
    if (chosen && chosen.index === row.index && chosen.trial === row.trial.trial) {
      line.classList.add("chosen");
    }
    for (const column of known) {
      const value = column.of(row);
      const text = column.show ? column.show(value) : value ?? "";
      line.append(element("td", text, { className: column.text ? "text" : "",
        title: column.text ? text : "" }));
    }
    line.onclick = () => choose(row.index, row.trial.trial);
    line.onkeydown = (event) => { if (event.key === "Enter") line.onclick(); };
    body.append(line);
  }
  const table = document.getElementById("table");
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(body);
  document.getElementById("count").textContent = `${rows.length} of ${all.length}`;
}

// -- one candidate

function choose(index, trial) {
  page.chosen = { index, trial };
  drawCandidate();
  drawTable();
  drawClasses();
  document.getElementById("candidate").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

function chosenTrial() {
  if (!page.chosen) return null;
  const run = page.values.runs[page.chosen.index];
  const trial = run && run.trials.find((one) => one.trial === page.chosen.trial);
  return trial ? { run, trial } : null;
}

function drawCandidate() {
  const found = chosenTrial(), box = document.getElementById("candidate");
  box.hidden = !found;
  if (!found) return;
  const { run, trial } = found;
  document.getElementById("candidate-title").textContent =
    page.values.runs.length > 1 ? `${run.name}, trial ${trial.trial}` : `Trial ${trial.trial}`;
  const rows = [["state", trial.state], ["quality", score(trial.quality)],
    ["reward", score(trial.reward)]];
  for (const cost of page.values.costs) {
    const value = trial.costs[cost.name];
    if (value !== undefined) rows.push([cost.label, amount(cost.name, value)]);
  }
  for (const [name, value] of Object.entries(trial.seconds)) {
    rows.push([name === "total" ? "seconds in all" : `seconds, ${name}`, value.toFixed(2)]);
  }
  rows.push(["host", trial.host], ["started", trial.started], ["genotype", trial.genotype]);
  document.getElementById("candidate-figures").replaceChildren(
    pairs(rows.filter(([, value]) => value !== "")));
  document.getElementById("candidate-classes").replaceChildren(classTable(trial));
  const drawing = trial.graph === null ? null : run.graphs[trial.graph];
  document.getElementById("candidate-drawing").replaceChildren(drawing ? svgOf(drawing) : "");
}

function classTable(trial) {
  const metrics = Object.keys(trial.scores);
  const table = element("table");
  if (!metrics.length) return table;
  const head = table.createTHead().insertRow();
  for (const name of ["class", ...metrics]) head.append(element("th", name));
  const body = table.createTBody();
  for (const name of Object.keys(trial.scores[metrics[0]])) {
    const row = body.insertRow();
    row.append(element("td", name));
    for (const metric of metrics) row.append(element("td", score(trial.scores[metric][name])));
  }
  for (const [name, value] of Object.entries(trial.groups)) {
    const row = body.insertRow();
    row.append(element("td", `group ${name}`), element("td", score(value)));
  }
  return table;
}

function svgOf(drawing) {
  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, attributes, text) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const width = (text) => 16 + 7 * text.length, HEIGHT = 26, LINE = 56;
  const layers = [];
  for (const [name, layer] of drawing.nodes) {
    layers[layer] = Math.max(layers[layer] || 0, width(name));
  }
  // Between two layers there is room for the labels of the arrows that end in the second.
  const gaps = layers.map(() => 40);
  for (const [, target, label] of drawing.edges) {
    const layer = drawing.nodes[target][1];
    gaps[layer] = Math.max(gaps[layer], 30 + 6.2 * label.length);
  }
  const left = [];
  layers.forEach((wide, layer) => {
    left[layer] = layer ? left[layer - 1] + layers[layer - 1] + gaps[layer] : 4;
  });
  const place = drawing.nodes.map(([name, layer, row]) =>
    ({ x: left[layer], y: 14 + row * LINE + (layer % 2) * 14, w: width(name) }));
  const last = layers.length - 1;
  const wide = left[last] + layers[last] + 8;
  const high = Math.max(...place.map((p) => p.y)) + HEIGHT + 30;
  const svg = make("svg", { role: "img", "aria-label": "the candidate as a graph",
    width: wide, height: high, viewBox: `0 0 ${wide} ${high}` });
  // A graph shrinks to the page as far as its names stay readable; a longer one can be scrolled.
  svg.style.maxWidth = `max(100%, ${Math.round(0.6 * wide)}px)`;
  svg.style.height = "auto";
  const marker = make("marker", { id: "tip", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7,
    markerHeight: 7, orient: "auto" });
  marker.append(make("path", { d: "M0,0 L8,4 L0,8 z" }));
  const definitions = make("defs", {});
  definitions.append(marker);
  svg.append(definitions);
  const arrivals = new Map();
  for (const [source, target, label] of drawing.edges) {
    const from = place[source], to = place[target];
    const number = arrivals.get(target) || 0;
    arrivals.set(target, number + 1);
    const x0 = from.x + from.w, y0 = from.y + HEIGHT / 2, x1 = to.x;
    const y1 = to.y + 5 + Math.min(number * 8, HEIGHT - 10);
    const far = drawing.nodes[target][1] - drawing.nodes[source][1] > 1;
    const dip = far ? LINE * 0.45 : 0, middle = (x0 + x1) / 2;
    svg.append(make("path", { "marker-end": "url(#tip)",
      d: `M${x0},${y0} C${middle},${y0 + dip} ${middle},${y1 + dip} ${x1},${y1}` }));
    if (label) {
      svg.append(make("text", { class: "label", x: x1 - 12, y: y1 - 4 + number * 5,
        "text-anchor": "end" }, label));
    }
  }
  drawing.nodes.forEach(([name], index) => {
    const { x, y, w } = place[index];
    svg.append(make("rect", { x, y, width: w, height: HEIGHT, rx: 4 }),
      make("text", { x: x + w / 2, y: y + 17, "text-anchor": "middle" }, name));
  });
  return svg;
}

// -- what the candidates are like

function drawClasses() {
  const found = chosenTrial();
  const shown = found ? [found] : page.values.runs.map((run) => ({ run,
    trial: counted(run).reduce((a, b) => (a && a.quality >= b.quality ? a : b), null) }))
    .filter((one) => one.trial);
  const traces = shown.map(({ run, trial }) => {
    const scores = trial.scores[scoreShown(run)] || {};
    return { type: "bar", name: plain(`${run.name}, trial ${trial.trial}`),
      x: Object.keys(scores).map(plain), y: Object.values(scores),
      marker: { color: colour(page.values.runs.indexOf(run)) } };
  });
  const metric = shown.length ? scoreShown(shown[0].run) : "f1";
  document.getElementById("classes-of").textContent = !shown.length
    ? "No candidate is finished yet."
    : `${metric} of ${found ? "the chosen candidate" : "the best candidate"} on validation.`;
  plot("classes", traces, { xaxis: { type: "category" }, yaxis: { title: title(metric) },
    showlegend: shown.length > 1 });
}

function drawHistograms() {
  const of = (value) => page.values.runs.map((run, index) => ({ type: "histogram",
    name: plain(run.name), x: counted(run).map(value).filter((v) => v !== null && v !== undefined),
    opacity: 0.75, nbinsx: 40, marker: { color: colour(index) } }));
  const several = page.values.runs.length > 1;
  const layout = (name) => ({ barmode: "overlay", showlegend: several, bargap: 0.03,
    xaxis: { title: title(name) }, yaxis: { title: title("candidates") } });
  const rewarded = page.values.runs.some((run) => counted(run).some((t) => t.reward !== t.quality));
  plot("histogram-quality", of((trial) => (rewarded ? trial.reward : trial.quality)),
    layout(rewarded ? "reward" : "quality"));
  plot("histogram-cost", of((trial) => trial.costs[page.cost]), layout(axisOf(page.cost)));
}

function drawAgreement() {
  const boxes = [];
  const scatter = (points, name, x, y) => {
    const box = element("div", null, { className: "plot" });
    boxes.push({ box, points, name, x, y });
    return box;
  };
  const target = document.getElementById("agreement");
  target.replaceChildren();
  for (const run of page.values.runs) {
    for (const rung of run.rungs) {
      target.append(scatter(rung.points.map(([a, b]) => ({ a, b, text: "" })), rung.note,
        `quality at ${rung.early}`, `quality at ${rung.late}`));
    }
    const known = run.retrained.filter((one) => one.search !== null && one.validation !== null);
    if (known.length > 1) {
      target.append(scatter(known.map((one) => ({ a: one.search, b: one.validation,
        text: one.name })), `${run.name}: retrained candidates`, "quality in the search",
      "quality on validation after retraining"));
    }
  }
  for (const { box, points, name, x, y } of boxes) {
    plot(box, [{ type: "scatter", mode: "markers", x: points.map((p) => p.a),
      y: points.map((p) => p.b), text: points.map((p) => plain(p.text)) }],
    { title: { text: plain(name), font: { size: 13 } }, xaxis: { title: title(x) },
      yaxis: { title: title(y) } });
  }
  const rows = page.values.runs.flatMap((run) => run.retrained.map((one) => ({ run, one })));
  const table = element("table"), box = document.getElementById("retrained");
  box.replaceChildren();
  if (rows.length) {
    const head = table.createTHead().insertRow();
    for (const name of ["retrained network", "in the search", "validation", "test", "epochs",
      ...page.values.costs.map((cost) => cost.label)]) head.append(element("th", name));
    const body = table.createTBody();
    for (const { run, one } of rows) {
      const row = body.insertRow();
      const name = page.values.runs.length > 1 ? `${run.name}, ${one.name}` : one.name;
      for (const text of [name, score(one.search), score(one.validation), score(one.test),
        one.epochs, ...page.values.costs.map((cost) => amount(cost.name, one.costs[cost.name]))]) {
        row.append(element("td", text));
      }
    }
    box.append(table);
  }
  document.getElementById("agreement-section").hidden = !boxes.length && !rows.length;
}

function drawLayers() {
  const run = page.values.runs.find((one) => one.layers.length);
  document.getElementById("layers-section").hidden = !run;
  if (!run) return;
  const total = run.layers.reduce((sum, layer) => sum + layer.ms, 0);
  document.getElementById("layers-of").textContent = `Milliseconds of each layer of ${run.network}, `
    + `exported, with onnxruntime on one core of this machine: ${total.toFixed(2)} ms in all.`;
  const layers = [...run.layers].reverse();
  plot("layers", [{ type: "bar", orientation: "h", x: layers.map((layer) => layer.ms),
    y: layers.map((layer) => plain(layer.layer)),
    hovertext: layers.map((layer) => plain(`${layer.kind} ${layer.ms.toFixed(3)} ms`)) }],
  { xaxis: { title: title("ms") }, yaxis: { type: "category" } });
}

function drawPictures() {
  const run = page.values.runs.find((one) => one.pictures.length);
  document.getElementById("pictures-section").hidden = !run;
  if (!run) return;
  document.getElementById("pictures-of").textContent =
    `${run.network}: the best predictions first, the worst last.`;
  document.getElementById("colours").replaceChildren(...run.colours.map(([name, colour]) => {
    const entry = element("span", name);
    entry.style.setProperty("--colour", colour);
    return entry;
  }));
  document.getElementById("pictures").replaceChildren(...run.pictures.map((picture) => {
    const box = element("div", null, { className: "picture" });
    const row = element("div", null, { className: "row" });
    for (const [caption, source] of picture.images) {
      const figure = element("figure");
      figure.append(element("img", null, { src: source, alt: `${picture.name}, ${caption}` }),
        element("figcaption", caption));
      row.append(figure);
    }
    box.append(row, element("div", picture.name), element("div", picture.caption,
      { className: "hint" }));
    return box;
  }));
}

function drawFacts() {
  const target = document.getElementById("facts");
  target.replaceChildren();
  for (const run of page.values.runs) {
    const box = element("div", null, { className: "columns" });
    box.append(pairs(run.facts), element("pre", run.config));
    target.append(element("h3", run.path), box);
  }
}
