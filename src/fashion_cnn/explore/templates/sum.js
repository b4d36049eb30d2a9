// The arithmetic behind one value, as tables that add up.

// Cells are coloured pale enough for the numbers on them, alike in both themes.
function cellColour(value, most) {
  const share = most ? Math.min(1, Math.abs(value) / most) : 0, end = value < 0 ? [150, 193, 238] : [246, 176, 128];
  return `rgb(${[250, 249, 246].map((from, k) => Math.round(from + share * (end[k] - from))).join(" ")})`;
}

function cells(caption, values, size, most, digits = 2, won = -1) {
  const table = element("table", { className: "cells" }, element("caption", {}, caption));
  for (let y = 0; y < values.length / size; y++) {
    const row = table.insertRow();
    for (let x = 0; x < size; x++) {
      const value = values[y * size + x], cell = row.insertCell();
      cell.textContent = Number.isInteger(value) ? plain(value, 0) : plain(value, digits);
      cell.dataset.value = value;
      cell.style.background = cellColour(value, most);
      if (y * size + x === won) { cell.className = "won"; cell.textContent += " ★"; }
    }
  }
  return table;
}

function steps(rows) {
  const table = element("table", { className: "steps" });
  for (const [name, value, total] of rows) {
    const row = table.insertRow();
    row.append(element("th", { scope: "row" }, name));
    const cell = row.insertCell();
    cell.textContent = typeof value === "string" ? value : number(value);
    if (typeof value !== "string") { cell.dataset.value = value; cell.classList.add(value < 0 ? "minus" : "plus"); }
    if (total) row.className = "total";
  }
  return table;
}

// Patch x kernel, input channel by input channel: [{patch, kernel, products, sum}].
function products(input, layer, channel, y, x) {
  const area = layer.kernel ** 2, inputs = input.shape[0];
  const patch = patchAt(input, layer, y, x, new Float32Array(inputs * area));
  return Array.from({ length: inputs }, (_, c) => {
    const part = patch.slice(c * area, (c + 1) * area), start = (channel * inputs + c) * area;
    const kernel = layer.weight.data.slice(start, start + area), product = part.map((value, i) => value * kernel[i]);
    return { patch: part, kernel, products: product, sum: product.reduce((total, value) => total + value, 0) };
  });
}

function sizeFormula(layer, size) {
  const { kernel: k, stride: s, padding: p, dilation: d } = layer;
  return element("p", { className: "formula" },
    `size: ⌊(i + 2p − d(k − 1) − 1) / s⌋ + 1 = ⌊(${size} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ${outputSize(size, layer)}`);
}

// A channel's three tables; the others are folded, as they may be many.
function productTables(parts, size, mostInput, mostKernel) {
  const order = parts.map((_, c) => c).sort((a, b) => Math.abs(parts[b].sum) - Math.abs(parts[a].sum));
  return parts.map(({ patch, kernel, products: product, sum }, c) => {
    const title = parts.length > 1 ? `Input channel ${c}: ${number(sum)}` : "Patch × kernel";
    const details = element("details", { open: c === order[0] }, element("summary", {}, title));
    const fill = () => {
      if (details.open && details.children.length === 1)
        details.append(element("div", { className: "product" }, cells("patch", patch, size, mostInput), element("b", {}, "×"),
          cells("kernel", kernel, size, mostKernel), element("b", {}, "="), cells("products", product, size, strongest(product)),
          element("b", {}, "→"), element("span", {}, `sum ${number(sum)}`)));
    };
    details.addEventListener("toggle", fill);
    fill();
    return details;
  });
}

function convolutionSum(input, layer, channel, y, x, silent) {
  const parts = products(input, layer, channel, y, x), bias = layer.bias.data[channel];
  const total = parts.reduce((sum, part) => sum + part.sum, 0);
  const rows = parts.length > 1 ? parts.map(({ sum }, c) => [`input channel ${c}`, sum]) : [];
  const shown = rows.length > 8 ? [[`${rows.length} input channels: their sums, as above`, total]] : rows;
  return { value: silent ? 0 : total + bias, nodes: [
    ...productTables(parts, layer.kernel, strongest(input.data), strongest(layer.weight.data)),
    steps([...shown, ["all products together", total], ["bias", bias], ["value", total + bias, true], ...(silent ? [["silenced", 0, true]] : [])]),
  ] };
}

// How the pool after a pixel chooses: its window, with the winner marked.
function poolNodes(input, layer, channel, y, x) {
  const { kernel, stride } = layer, [, height, width] = input.shape, best = winner(input, layer, channel, y, x);
  const values = [], first = (channel * height + y * stride) * width + x * stride;
  let won = 0;
  for (let i = 0; i < kernel; i++)
    for (let j = 0; j < kernel; j++) {
      if (first + i * width + j === best) won = values.length;
      values.push(input.data[first + i * width + j]);
    }
  return [cells(`the window of ${layer.name}, ★ its winner`, values, kernel, strongest(values), 3, won), steps([["the largest", input.data[best], true]])];
}

function linearSum(input, layer, o) {
  const length = input.data.length, product = Array.from({ length }, (_, i) => [i, input.data[i], layer.weight.data[o * length + i]]);
  product.sort((a, b) => Math.abs(b[1] * b[2]) - Math.abs(a[1] * a[2]));
  const total = product.reduce((sum, [, value, weight]) => sum + value * weight, 0), few = product.slice(0, 10);
  const rest = total - few.reduce((sum, [, value, weight]) => sum + value * weight, 0);
  return [steps([...few.map(([i, value, weight]) => [`input ${i}: ${plain(value)} × ${plain(weight)}`, value * weight]),
    [`the other ${length - few.length} products`, rest], ["bias", layer.bias.data[o]], ["value", total + layer.bias.data[o], true]])];
}

// All about the pinned value: {layer, channel, y, x}, of `result`.
function sumNodes(network, result, place, silenced, classes) {
  const { layer: at, channel, y, x } = place;
  const layer = network.layers[at], input = at ? result.outputs[at - 1] : result.input, output = result.outputs[at];
  const flat = output.shape[1] === 1 && output.shape[2] === 1, index = flat ? y * drawnShape(output.shape).width + x : channel;
  const value = flat ? output.data[index] : output.data[(channel * output.shape[1] + y) * output.shape[2] + x];
  const nodes = [element("h3", {}, squareName(network, result, place, classes), ": ", element("output", { id: "pinned-value" }, number(value)))];
  nodes[0].lastChild.dataset.value = value;
  const next = network.layers[at + 1], after = network.layers[at + 2];
  if (layer.kind === "Conv2d") {
    const silent = Boolean(silenced[layer.name]?.has(channel));
    nodes.push(sizeFormula(layer, input.shape[1]), ...convolutionSum(input, layer, channel, y, x, silent).nodes);
  } else if (layer.kind === "Linear") nodes.push(...linearSum(input, layer, index));
  else if (layer.kind === "ReLU") nodes.push(steps([["before", input.data[flat ? index : (channel * output.shape[1] + y) * output.shape[2] + x]], ["max(0, before)", value, true]]));
  else nodes.push(sizeFormula(layer, input.shape[1]), ...poolNodes(input, layer, channel, y, x));
  if (["Conv2d", "Linear"].includes(layer.kind) && next?.kind === "ReLU") nodes.push(steps([[`then ReLU: max(0, ${number(value)})`, Math.max(0, value), true]]));
  const pool = next?.kind === "MaxPool2d" ? next : next?.kind === "ReLU" && after?.kind === "MaxPool2d" ? after : null;
  if (pool) {
    const before = result.outputs[at + (pool === next ? 0 : 1)], [row, column] = [y, x].map((i) => Math.floor(i / pool.stride));
    if (row < outputSize(before.shape[1], pool) && column < outputSize(before.shape[2], pool)) nodes.push(...poolNodes(before, pool, channel, row, column));
  }
  return nodes;
}
