// The figure of the gradients in distillation.md, with sliders. Without this script the page keeps the figure.
"use strict";

(() => {
  const SLIDERS = [
    { name: "teacher", text: "teacher's logit", low: -6, high: 6, step: 0.1, value: 2 },
    { name: "label", text: "label", low: 0, high: 1, step: 1, value: 0 },
    { name: "temperature", text: "temperature T", low: 0.5, high: 10, step: 0.1, value: 5 },
    { name: "hard", text: "weight of the hard term", low: 0, high: 5, step: 0.1, value: 0.1 },
    { name: "soft", text: "weight of the soft term", low: 0, high: 25, step: 0.1, value: 1 },
  ];
  const PRESETS = {
    "AutoMM's defaults": { temperature: 5, hard: 0.1, soft: 1 },
    "equal pull (soft weight T²)": { temperature: 5, hard: 1, soft: 25 },
    "temperature 1": { temperature: 1, hard: 0.1, soft: 1 },
    "no label": { hard: 0, soft: 1 },
  };
  const CURVES = ["hard", "soft", "sum"];
  const EDGE = 6; // the student's logit goes from -EDGE to EDGE
  const PLOT = { left: 44, right: 404, top: 12, bottom: 212 };

  const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));

  function gradients(at, settings) {
    const { teacher, label, temperature } = settings;
    const hard = settings.hard * (sigmoid(at) - label);
    const soft = (settings.soft / temperature) * (sigmoid(at / temperature) - sigmoid(teacher / temperature));
    return { hard, soft, sum: hard + soft };
  }

  // The sum grows with the student's logit, so halving finds where it is zero.
  function restingPoint(settings) {
    let [low, high] = [-20, 20];
    for (let step = 0; step < 60; step += 1) {
      const middle = (low + high) / 2;
      if (gradients(middle, settings).sum < 0) low = middle;
      else high = middle;
    }
    return low;
  }

  function make(tag, attributes, parent) {
    const svg = ["svg", "path", "line", "text", "circle"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    parent.append(element);
    return element;
  }

  function addSlider({ name, text, low, high, step, value }, parent, settings, draw) {
    const row = make("label", { class: "loss-explorer-slider" }, parent);
    make("span", {}, row).textContent = text;
    const input = make("input", { type: "range", name, min: low, max: high, step, value }, row);
    const shown = make("output", {}, row);
    const read = () => {
      settings[name] = Number(input.value);
      shown.textContent = input.value;
    };
    input.addEventListener("input", () => {
      read();
      draw();
    });
    read();
    return input;
  }

  function addPresets(inputs, parent) {
    const row = make("div", { class: "preset-buttons" }, parent);
    for (const [text, values] of Object.entries(PRESETS)) {
      const button = make("button", { type: "button", class: "preset-button" }, row);
      button.textContent = text;
      button.addEventListener("click", () => {
        for (const [name, value] of Object.entries(values)) {
          inputs[name].value = value;
          inputs[name].dispatchEvent(new Event("input"));
        }
      });
    }
  }

  function addBar(text, parent) {
    const row = make("div", { class: "loss-explorer-bar" }, parent);
    make("span", {}, row).textContent = text;
    const meter = make("meter", { min: 0, max: 1, "aria-label": text }, row);
    const shown = make("output", {}, row);
    return (value) => {
      meter.value = value;
      shown.textContent = value.toFixed(2);
    };
  }

  function addPlot(parent) {
    const figure = make("svg", { viewBox: "0 0 420 250", role: "img" }, parent);
    const axis = { stroke: "currentColor", "stroke-opacity": 0.4 };
    const zero = make("line", { ...axis, x1: PLOT.left, x2: PLOT.right, "stroke-dasharray": "3 3" }, figure);
    make("line", { ...axis, x1: PLOT.left, x2: PLOT.left, y1: PLOT.top, y2: PLOT.bottom }, figure);
    make("line", { ...axis, x1: PLOT.left, x2: PLOT.right, y1: PLOT.bottom, y2: PLOT.bottom }, figure);
    const label = (x, y, content) => {
      const text = make("text", { x, y, fill: "currentColor", "font-size": 12, "text-anchor": "middle" }, figure);
      text.textContent = content;
      return text;
    };
    for (const logit of [-6, -3, 0, 3, 6]) label(PLOT.left + ((logit + EDGE) / (2 * EDGE)) * (PLOT.right - PLOT.left), 228, logit);
    label((PLOT.left + PLOT.right) / 2, 246, "student's logit");
    const ends = [label(22, PLOT.top + 8, ""), label(22, PLOT.bottom, "")];
    label(30, (PLOT.top + PLOT.bottom) / 2 + 4, "0");
    const title = label(10, (PLOT.top + PLOT.bottom) / 2, "gradient");
    title.setAttribute("transform", `rotate(-90 10 ${(PLOT.top + PLOT.bottom) / 2})`);
    const paths = Object.fromEntries(
      CURVES.map((name) => [name, make("path", { class: `loss-explorer-${name}`, fill: "none", "stroke-width": 2.5 }, figure)]),
    );
    const rest = make("circle", { r: 5, class: "loss-explorer-rest" }, figure);
    return { figure, zero, ends, paths, rest };
  }

  function drawPlot(plot, settings) {
    const points = Array.from({ length: 121 }, (_, number) => -EDGE + (2 * EDGE * number) / 120);
    const values = points.map((at) => gradients(at, settings));
    const height = Math.max(0.1, ...values.flatMap((value) => Object.values(value).map(Math.abs)));
    const x = (at) => PLOT.left + ((at + EDGE) / (2 * EDGE)) * (PLOT.right - PLOT.left);
    const y = (pull) => (PLOT.top + PLOT.bottom) / 2 - (pull / height) * ((PLOT.bottom - PLOT.top) / 2);
    for (const name of CURVES) {
      plot.paths[name].setAttribute("d", points.map((at, n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(values[n][name]).toFixed(1)}`).join(""));
    }
    plot.zero.setAttribute("y1", y(0));
    plot.zero.setAttribute("y2", y(0));
    plot.ends[0].textContent = height.toFixed(2);
    plot.ends[1].textContent = (-height).toFixed(2);
    const rest = restingPoint(settings);
    const seen = Math.abs(rest) <= EDGE && settings.hard + settings.soft > 0;
    plot.rest.setAttribute("visibility", seen ? "visible" : "hidden");
    plot.rest.setAttribute("cx", x(rest));
    plot.rest.setAttribute("cy", y(0));
    return rest;
  }

  function explore(cell) {
    const settings = {};
    const box = document.createElement("div");
    box.className = "loss-explorer";
    const controls = make("div", { class: "loss-explorer-controls" }, box);
    const targets = make("div", { class: "loss-explorer-targets" }, box);
    const plot = addPlot(box);
    const legend = make("p", { class: "loss-explorer-legend" }, box);
    for (const name of CURVES) make("span", { class: `loss-explorer-${name}` }, legend).textContent = `— ${name} `;
    const said = make("p", { "aria-live": "polite" }, box);
    const bars = ["label", "teacher", "teacher at T", "student at the minimum"].map((text) => addBar(text, targets));
    const draw = () => {
      const rest = drawPlot(plot, settings);
      [settings.label, sigmoid(settings.teacher), sigmoid(settings.teacher / settings.temperature), sigmoid(rest)].forEach((share, number) =>
        bars[number](share),
      );
      const nothing = settings.hard + settings.soft === 0;
      said.textContent = nothing
        ? "Both weights are zero."
        : `The gradients cancel where the student's probability of class 1 is ${sigmoid(rest).toFixed(2)}.`;
      plot.figure.setAttribute("aria-label", `Gradients of the loss terms against the student's logit. ${said.textContent}`);
    };
    const inputs = Object.fromEntries(SLIDERS.map((slider) => [slider.name, addSlider(slider, controls, settings, draw)]));
    addPresets(inputs, controls);
    draw();
    cell.querySelector(".cell_output").replaceChildren(box);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".tag_loss-explorer").forEach(explore));
})();
