// The page: its state, and what follows from a change of it.

const contents = JSON.parse($$("contents").textContent);
const TITLES = { lenet: "LeNet", vgg: "reduced VGG", vgg11: "VGG-11" };

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

// An array by what `contents` says of it; the first bytes of all its values lie first.
function array(buffer, { offset, type, shape }) {
  const length = shape.reduce((product, side) => product * side, 1), size = { uint8: 1, float16: 2, float32: 4 }[type];
  const from = new Uint8Array(buffer, offset, length * size), to = new Uint8Array(length * size);
  for (let part = 0; part < size; part++) for (let i = 0; i < length; i++) to[i * size + part] = from[part * length + i];
  const data = type === "uint8" ? to : type === "float32" ? new Float32Array(to.buffer) : Float32Array.from(new Uint16Array(to.buffer), half);
  return { data, shape };
}

const buffer = await unpack($$("packed").textContent.trim());
const images = { ...contents.images, pixels: array(buffer, contents.images.pixels).data, taken: 0 };
const trained = {};
for (const [model, network] of Object.entries(contents.networks))
  trained[model] = { ...network, layers: network.layers.map((layer) => (layer.weight ? { ...layer, weight: array(buffer, layer.weight), bias: array(buffer, layer.bias) } : layer)) };

// LeNet at each epoch of the slider; the kept epoch is the trained network itself, in float32.
const { training } = contents, epochs = training ? [...training.epochs] : [];
if (training && !epochs.includes(training.kept)) epochs.push(training.kept);
epochs.sort((a, b) => a - b);
const snapshots = training && Object.fromEntries(Object.entries(training.weights).map(([name, reference]) => [name, array(buffer, reference)]));
const atEpoch = epochs.map((epoch) => {
  if (epoch === training.kept) return trained.lenet;
  const at = training.epochs.indexOf(epoch);
  const row = (name) => { const { data, shape: [, ...shape] } = snapshots[name], size = shape.reduce((a, b) => a * b, 1); return { data: data.subarray(at * size, (at + 1) * size), shape }; };
  return { ...trained.lenet, layers: trained.lenet.layers.map((layer) => (layer.weight ? { ...layer, weight: row(`${layer.name}.weight`), bias: row(`${layer.name}.bias`) } : layer)) };
});

const state = { model: Object.keys(trained)[0], pixels: new Uint8Array(784), epoch: epochs.indexOf(training?.kept), silenced: Object.fromEntries(Object.keys(trained).map((model) => [model, {}])), pinned: null, pointed: null };
const networkOf = (model) => (model === "lenet" ? atEpoch[state.epoch] : trained[model]);
let results = {}, views = [], frame = 0, other = 0, sum = 0, rest = 0, answerCells = {};

const compute = (model) => (results[model] = run(networkOf(model), state.pixels, state.silenced[model]));

function draw() {
  frame = 0;
  compute(state.model);
  // The other network's answer may come a little later: drawing must not wait for it.
  other ||= setTimeout(() => {
    other = 0;
    for (const model of Object.keys(trained)) if (model !== state.model) compute(model);
    drawAnswer();
  }, 60);
  paintGrey($$("picture"), state.pixels);
  drawLayers(views, results[state.model], state.silenced[state.model]);
  drawAnswer();
  drawOutlines();
  // Its tables take longer than the maps.
  if (state.pinned) sum ||= setTimeout(() => { sum = 0; if (state.pinned) drawSum(); }, 50);
}

// One drawing a frame; what takes longer, once nothing has changed for a while.
function changed() {
  frame ||= requestAnimationFrame(draw);
  clearTimeout(rest);
  rest = setTimeout(() => { drawWhy(state, networkOf(state.model), results[state.model], images, contents); announce(); }, 300);
}

function buildAnswer() {
  const models = Object.keys(trained), head = element("tr", {}, element("td"), ...models.map((model) => element("th", { scope: "col" }, TITLES[model])));
  const body = contents.classes.map((name, i) => element("tr", {}, element("th", { scope: "row" }, name), ...models.map((model) => {
    const bar = element("i"), shown = element("span");
    (answerCells[model] ??= []).push([bar, shown]);
    return element("td", {}, element("span", { className: "bar" }, element("span", {}, bar), shown));
  })));
  $$("answer").append(element("thead", {}, head), element("tbody", {}, ...body));
  for (const list of Object.values(answerCells)) for (const [bar] of list) bar.style.display = "block";
  const accuracies = models.map((model) => `${TITLES[model]} ${(100 * contents.answers[model].accuracy).toFixed(2)} %`);
  $$("accuracy").textContent = `On all ${contents.tested.toLocaleString("en")} test images, this page's arithmetic (float32) with the trained weights is right for: ${accuracies.join(", ")}.`;
}

function drawAnswer() {
  for (const [model, list] of Object.entries(answerCells)) {
    const { probabilities } = results[model], best = largest(probabilities);
    list.forEach(([bar, shown], i) => {
      bar.style.setProperty("--share", probabilities[i].toFixed(4));
      shown.textContent = `${(100 * probabilities[i]).toFixed(i === best ? 1 : 0)} %`.replace(/^100\.0/, "100");
      bar.closest("td").className = i === best ? "top" : "";
    });
  }
}

function announce() {
  const answers = Object.entries(results).map(([model, { probabilities }]) => `${TITLES[model]}: ${contents.classes[largest(probabilities)]}, ${Math.round(100 * Math.max(...probabilities))} percent`);
  $$("live").textContent = answers.join("; ");
}

// The square pointed at or pinned, on its map; its receptive field, on the picture.
function drawOutlines() {
  const context = $$("overlay").getContext("2d"), network = networkOf(state.model);
  context.clearRect(0, 0, 560, 560);
  document.querySelectorAll(".cursor").forEach((each) => each.remove());
  for (const [place, kind] of [[state.pinned, "pinned"], [state.pointed, "pointed"]]) {
    if (!place) continue;
    const view = views.find(({ at }) => at === place.layer), canvas = view.canvases[place.channel];
    const mark = element("div", { className: `cursor ${kind}` }), scale = (side) => `${100 * side}%`;
    mark.style.cssText = `left:calc(${place.x / view.width} * ${canvas.clientWidth}px);top:calc(${place.y / view.height} * ${canvas.clientHeight}px);width:${canvas.clientWidth / view.width + 2}px;height:${canvas.clientHeight / view.height + 2}px`;
    canvas.parentElement.append(mark);
    const { top, left, size } = receptiveField(network, place.layer, place.y, place.x), unit = 560 / network.image_size;
    const clip = (value) => Math.min(network.image_size, Math.max(0, value)) * unit;
    const [x0, y0, x1, y1] = [clip(left), clip(top), clip(left + size), clip(top + size)];
    for (const [colour, width] of [["#000", 7], [kind === "pinned" ? "#ff7ab5" : "#ffd23e", 4]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.strokeRect(x0 + 2, y0 + 2, x1 - x0 - 4, y1 - y0 - 4);
    }
  }
  if (cursor.shown) { context.strokeStyle = "#ffd23e"; context.lineWidth = 4; context.strokeRect(cursor.x * 20, cursor.y * 20, 20, 20); }
}

function drawSum() {
  const { layer: at, channel } = state.pinned, network = networkOf(state.model), layer = network.layers[at], silenced = state.silenced[state.model];
  const nodes = sumNodes(network, results[state.model], state.pinned, silenced, contents.classes);
  const focused = document.activeElement?.id === "silence";
  if (layer.kind === "Conv2d") {
    const set = silenced[layer.name] ??= new Set(), button = element("button", { id: "silence", "aria-pressed": set.has(channel) }, set.has(channel) ? "Silenced: let it speak" : "Silence this map");
    button.addEventListener("click", () => { set.has(channel) ? set.delete(channel) : set.add(channel); changed(); });
    const best = contents.answers[state.model].exciting[layer.name][channel];
    const excite = best.length ? [element("p", { className: "quiet" }, `The ${best.length} of all ${contents.tested.toLocaleString("en")} test images that excite this map of the trained network most:`), element("div", { className: "thumbs", id: "exciting" }, ...best.map((place) => thumbnail(images, place, contents, images.take)))]
      : [element("p", { className: "quiet" }, "No test image excites this map: it is never above 0.")];
    nodes.splice(1, 0, element("div", { className: "tools" }, button), ...excite);
  }
  $$("sum").replaceChildren(...nodes);
  if (focused) $$("silence")?.focus();
}

function placeOf(canvas, event) {
  const view = views.find(({ at }) => at === Number(canvas.dataset.layer)), box = canvas.getBoundingClientRect();
  const cell = (value, start, length, count) => Math.min(count - 1, Math.max(0, Math.floor(((value - start) / length) * count)));
  return { layer: view.at, channel: Number(canvas.dataset.channel), x: cell(event.clientX, box.left, box.width, view.width), y: cell(event.clientY, box.top, box.height, view.height) };
}

function pin(place) { state.pinned = place; drawOutlines(); drawSum(); }

function describe(place) {
  const { outputs } = results[state.model], view = views.find(({ at }) => at === place.layer);
  const value = outputs[place.layer].data[(place.channel * view.height + place.y) * view.width + place.x];
  const canvas = view.canvases[place.channel];
  canvas.setAttribute("aria-label", `${squareName(networkOf(state.model), results[state.model], place, contents.classes)}: ${number(value)}`);
  return canvas;
}

function onKey(event) {
  if (!event.target.dataset?.layer) return;
  const layer = Number(event.target.dataset.layer), channel = Number(event.target.dataset.channel), view = views.find(({ at }) => at === layer);
  const here = state.pointed?.layer === layer && state.pointed.channel === channel ? state.pointed : { layer, channel, y: 0, x: 0 };
  const step = { ArrowLeft: [0, -1, 0], ArrowRight: [0, 1, 0], ArrowUp: [0, 0, -1], ArrowDown: [0, 0, 1], PageUp: [-1, 0, 0], PageDown: [1, 0, 0] }[event.key];
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return pin({ ...here }); }
  if (!step) return;
  event.preventDefault();
  const bound = (value, count) => Math.min(count - 1, Math.max(0, value));
  state.pointed = { layer, channel: bound(channel + step[0], view.maps), x: bound(here.x + step[1], view.width), y: bound(here.y + step[2], view.height) };
  const canvas = describe(state.pointed);
  view.canvases.forEach((each) => (each.tabIndex = each === canvas ? 0 : -1));
  canvas.focus();
  drawOutlines();
}

function show(model) {
  Object.assign(state, { model, pinned: null, pointed: null });
  for (const each of Object.keys(trained)) compute(each);
  views = buildLayers(networkOf(model), results[model]);
  views.forEach(({ at, canvases }) => canvases.forEach((_, channel) => describe({ layer: at, channel, y: 0, x: 0 })));
  drawKernels(views);
  $$("sum").replaceChildren(element("p", { className: "quiet" }, "Choose a square of a map above."));
  [...$$("models").children].forEach((button) => button.setAttribute("aria-pressed", button.dataset.model === model));
  changed();
}

function drawCurve() {
  const rows = training.curve, last = rows.at(-1).epoch, values = rows.map((row) => row.validation_accuracy), low = Math.min(...values), high = Math.max(...values);
  const x = (epoch) => 46 + (epoch / last) * 364, y = (value) => 70 - ((value - low) / (high - low || 1)) * 58, here = rows.find((row) => row.epoch === epochs[state.epoch]);
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  $$("curve").innerHTML = `<line class="axis" x1="46" x2="410" y1="70" y2="70"/><text x="0" y="16">${percent(high)}</text><text x="0" y="74">${percent(low)}</text><text x="46" y="87">0</text><text x="410" y="87" text-anchor="end">${last}</text>`
    + `<path d="M${rows.map((row) => `${x(row.epoch)} ${y(row.validation_accuracy)}`).join("L")}"/><line x1="${x(epochs[state.epoch])}" x2="${x(epochs[state.epoch])}" y1="6" y2="70"/>`
    + (here ? `<circle cx="${x(here.epoch)}" cy="${y(here.validation_accuracy)}" r="4"/>` : "");
  const quality = here ? `validation accuracy ${percent(here.validation_accuracy)}` : "untrained: random weights";
  $$("epoch-name").textContent = `${epochs[state.epoch]} of ${last}: ${quality}`;
  $$("epoch").setAttribute("aria-valuetext", $$("epoch-name").textContent);
}

const cursor = buildInput(state.pixels, changed, images, contents);
buildAnswer();
const redrawSandbox = buildSandbox();
buildExample();
$$("held").textContent = `Left out, as this page takes plain stacks of layers with up to 5 MB of weights: ${contents.left_out.map((model) => TITLES[model] ?? model).join(", ")}.`;
$$("target").append(element("option", { value: -1 }, "the answer"), ...contents.classes.map((name, i) => element("option", { value: i }, name)));
$$("target").addEventListener("change", changed);
for (const model of Object.keys(trained)) {
  const button = element("button", {}, TITLES[model]);
  button.dataset.model = model;
  button.addEventListener("click", () => show(model));
  $$("models").append(button);
}
$$("training").hidden = epochs.length < 2;
if (epochs.length >= 2) {
  Object.assign($$("epoch"), { max: epochs.length - 1, value: state.epoch });
  $$("epoch").addEventListener("input", () => {
    state.epoch = Number($$("epoch").value);
    if (state.model === "lenet") { views.forEach((view) => (view.layer = networkOf("lenet").layers[view.at])); drawKernels(views); }
    drawCurve();
    changed();
  });
  drawCurve();
}
const layers = $$("layers");
layers.addEventListener("pointermove", (event) => { if (event.target.dataset?.layer) { state.pointed = placeOf(event.target, event); drawOutlines(); } });
layers.addEventListener("pointerleave", () => { state.pointed = null; drawOutlines(); });
layers.addEventListener("click", (event) => { if (event.target.dataset?.layer) { pin(placeOf(event.target, event)); describe(state.pinned); } });
layers.addEventListener("keydown", onKey);
layers.addEventListener("focusin", (event) => { const data = event.target.dataset; if (data?.layer && event.target.matches(":focus-visible") && state.pointed?.layer !== Number(data.layer)) { state.pointed = { layer: Number(data.layer), channel: Number(data.channel), y: 0, x: 0 }; describe(state.pointed); drawOutlines(); } });
dark.addEventListener("change", () => { colours = palette(); drawKernels(views); redrawSandbox(); changed(); });
images.take(0);
show(state.model);
// For the tests, and for whoever opens the console.
window.page = { run, transform, trained, atEpoch, epochs, state, images, contents, gradCam, occlusion, gradient, resize, results: () => results, draw };
document.documentElement.dataset.ready = "yes";
