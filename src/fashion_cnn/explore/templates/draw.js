// Numbers as squares of colour, and the grids of maps.

const $$ = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) name in made && name !== "role" ? (made[name] = value) : made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// From the full negative colour over the paper's to the full positive one: 511 steps.
function palette() {
  const [low, zero, high] = dark.matches
    ? [[125, 181, 245], [34, 33, 30], [255, 157, 92]]
    : [[31, 95, 168], [244, 242, 236], [179, 71, 11]];
  return Uint32Array.from({ length: 511 }, (_, i) => {
    const share = Math.abs(i - 255) / 255, end = i < 255 ? low : high;
    const [r, g, b] = zero.map((from, k) => Math.round(from + share * (end[k] - from)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}
let colours = palette();

// Draw height x width values from `start` on: `scale` and beyond is the full colour.
function paint(canvas, data, start, height, width, scale) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer), factor = scale ? 255 / scale : 0;
  for (let i = 0; i < out.length; i++) {
    const value = data[start + i] * factor;
    out[i] = colours[255 + (value > 255 ? 255 : value < -255 ? -255 : Math.round(value))];
  }
  context.putImageData(image, 0, 0);
}

// Draw pixels from 0 to 255 in grey, as the picture is.
function paintGrey(canvas, pixels, start = 0) {
  const context = canvas.getContext("2d"), image = context.createImageData(28, 28);
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < 784; i++) out[i] = (255 << 24) | (0x010101 * pixels[start + i]);
  context.putImageData(image, 0, 0);
}

const strongest = (data) => data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const number = (value, digits = 3) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
const plain = (value, digits = 3) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(digits);

// A vector is drawn as a block of squares: 120 values as 8 rows of 15.
function drawnShape([channels, height, width]) {
  if (height > 1 || width > 1) return { maps: channels, height, width };
  let rows = channels > 256 ? 8 : 4;
  while (channels % rows) rows--;
  return { maps: 1, height: channels <= 16 ? 1 : rows, width: channels <= 16 ? channels : channels / rows };
}

// What a square is called: {layer, channel, y, x}.
function squareName(network, result, { layer: at, channel, y, x }, classes) {
  const { name } = network.layers[at], { shape } = result.outputs[at];
  if (shape[1] > 1 || shape[2] > 1) return `${name}, map ${channel}, row ${y}, column ${x}`;
  const index = y * drawnShape(shape).width + x;
  return `${name}, value ${index}` + (at === network.layers.length - 1 ? ` (${classes[index]})` : "");
}

const KINDS = { Conv2d: "convolution", ReLU: "ReLU: what is below 0 becomes 0", MaxPool2d: "max-pool: the largest of each window", Linear: "fully connected" };

// The rows of a network's layers: a legend, and a canvas for each map.
function buildLayers(network, result) {
  const views = [];
  $$("layers").replaceChildren();
  network.layers.forEach((layer, at) => {
    if (layer.kind === "Flatten") return;
    const shape = result.outputs[at].shape, { maps, height, width } = drawnShape(shape);
    // The maps of one channel stand in a column: all side by side, 8, or 16.
    const [across, least] = maps <= 8 ? [maps, 96] : maps <= 16 ? [8, 72] : [16, 56];
    const side = maps === 1 ? `min(100%, ${22 * width}px)` : `clamp(${least}px, 100cqi / ${across} - 9px, 144px)`;
    const legend = element("canvas", { width: 101, height: 1 }), [scale, low, weights] = ["span", "span", "p"].map((tag) => element(tag, tag === "p" ? { className: "quiet" } : {}));
    const row = element("div", { role: "row" });
    const canvases = [], kernels = [];
    for (let c = 0; c < maps; c++) {
      const canvas = element("canvas", { role: "gridcell", tabIndex: c ? -1 : 0 });
      canvas.style.cssText = `width:${side};aspect-ratio:${width}/${height}`;
      Object.assign(canvas.dataset, { layer: at, channel: c });
      const map = element("div", { className: "map", role: "presentation" }, canvas);
      if (maps === 1) map.style.width = "100%";
      if (layer.kind === "Conv2d") {
        const kernel = element("canvas", { className: "kernel", role: "presentation" });
        kernel.style.width = side;
        kernels.push(kernel);
        map.append(kernel);
      }
      canvases.push(canvas);
      row.append(map);
    }
    const size = shape[1] > 1 || shape[2] > 1 ? shape.join(" × ") : `${shape[0]} values`;
    const head = element("div", { className: "layer-head" }, element("h3", { id: `layer-${at}` }, layer.name),
      element("p", { className: "quiet" }, `${KINDS[layer.kind]}${layer.kernel ? ` ${layer.kernel} × ${layer.kernel}` : ""} → ${size}`),
      weights, element("span", { className: "legend" }, low, legend, scale));
    const grid = element("div", { role: "grid", className: "maps", "aria-labelledby": `layer-${at}` }, row);
    $$("layers").append(element("div", { className: "layer" }, head, grid));
    views.push({ at, layer, canvases, kernels, legend, low, scale, weights, height, width, maps });
  });
  return views;
}

const ramp = Float32Array.from({ length: 101 }, (_, i) => i - 50);

function drawLayers(views, result, silenced) {
  for (const { at, layer, canvases, legend, low, scale, height, width } of views) {
    const { data } = result.outputs[at], most = strongest(data);
    canvases.forEach((canvas, c) => {
      paint(canvas, data, c * height * width, height, width, most);
      canvas.parentElement.classList.toggle("silenced", Boolean(silenced[layer.name]?.has(c)));
    });
    paint(legend, ramp, 0, 1, 101, 50);
    low.textContent = `− ${most.toFixed(2)}`;
    scale.textContent = `+ ${most.toFixed(2)}`;
  }
}

// A convolution's weights: a square of its input channels' kernels, a free pixel between them.
function drawKernels(views) {
  for (const { layer, kernels, weights } of views.filter((view) => view.kernels.length)) {
    const { data, shape: [, inputs, k] } = layer.weight, across = Math.ceil(Math.sqrt(inputs)), most = strongest(data);
    weights.textContent = `Weights: ± ${most.toFixed(2)}`;
    const size = across * (k + 1) - 1, rows = Math.ceil(inputs / across) * (k + 1) - 1;
    kernels.forEach((canvas, o) => {
      const values = new Float32Array(size * rows);
      for (let c = 0; c < inputs; c++)
        for (let i = 0; i < k * k; i++) {
          const y = Math.floor(c / across) * (k + 1) + Math.floor(i / k), x = (c % across) * (k + 1) + (i % k);
          values[y * size + x] = data[(o * inputs + c) * k * k + i];
        }
      paint(canvas, values, 0, rows, size, most);
      canvas.style.aspectRatio = `${size}/${rows}`;
    });
  }
}
