// Occlusion, Grad-CAM, exciting and nearest test images: drawn once the picture rests.

let whyTurn = 0;

// Work for at most 12 ms, then let the page breathe; false where newer work has begun.
async function inSlices(work, turn) {
  let until = performance.now() + 12;
  for (const _ of work) {
    if (performance.now() < until) continue;
    await new Promise((resolve) => setTimeout(resolve));
    if (turn !== whyTurn) return false;
    until = performance.now() + 12;
  }
  return turn === whyTurn;
}

function drawCam(network, result, target, pixels, name) {
  const { layer, height, width, heat } = gradCam(network, result, target), canvas = $$("cam"), context = canvas.getContext("2d");
  const small = element("canvas", { width: 28, height: 28 }), cell = 10 * (28 / network.image_size);
  paintGrey(small, pixels);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, 280, 280);
  const place = (i) => { const { top, size } = receptiveField(network, layer, i, i); return (top + size / 2) * cell; };
  const side = place(1) - place(0);
  context.font = "bold 13px sans-serif";
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const value = heat[y * width + x], [left, top] = [place(x) - side / 2, place(y) - side / 2];
      context.fillStyle = `rgb(255 150 60 / ${(0.75 * value).toFixed(3)})`;
      context.fillRect(left, top, side, side);
      context.strokeStyle = "rgb(255 255 255 / 0.25)";
      context.strokeRect(left, top, side, side);
    }
  canvas.setAttribute("aria-label", `Grad-CAM for ${name}: ${height} by ${width} cells`);
  $$("cam-text").textContent = `Where ${network.layers[layer].name} speaks for ${name}: ${height} × ${width} cells, each drawn at the centre of the pixels it sees. The picture's rim has no cell of its own.`;
}

async function drawOcclusion(network, pixels, target, silenced, name, turn) {
  const values = [], work = occlusion(network, pixels, target, silenced);
  const gather = (function* () { for (const value of work) { values.push(value); yield; } })();
  if (!(await inSlices(gather, turn))) return;
  const side = Math.sqrt(values.length), most = strongest(values), canvas = $$("occlusion");
  paint(canvas, values, 0, side, side, most);
  const lowest = values.indexOf(Math.min(...values)), [row, column] = [Math.floor(lowest / side) * STEP, (lowest % side) * STEP];
  canvas.setAttribute("aria-label", `Change of the logit of ${name} where a grey patch covers the picture`);
  $$("occlusion-text").textContent = `The change of the logit of ${name} where a grey patch of ${PATCH} × ${PATCH} pixels covers the picture: − hides what speaks for it, + what speaks against it. At most ${number(Math.min(...values), 1)}, with rows ${row}–${row + PATCH - 1} and columns ${column}–${column + PATCH - 1} covered.`;
}

// The penultimate layer's outputs for the page's test images, computed once for each set of weights.
const known = new WeakMap();

async function drawNearest(network, key, result, images, contents, turn) {
  const length = features(network, result).length;
  let all = known.get(key);
  if (!all) {
    const count = images.labels.length, rows = new Float32Array(length * count);
    $$("nearest").replaceChildren();
    const gather = (function* () { for (let i = 0; i < count; i++) { if (i % 100 === 0) $$("nearest-text").textContent = `Comparing with the test images: ${Math.floor((100 * i) / count)} %`; rows.set(features(network, run(network, images.pixels.subarray(784 * i, 784 * i + 784))), i * length); yield; } })();
    if (!(await inSlices(gather, turn))) return;
    known.set(key, (all = rows));
  }
  const mine = features(network, result), distances = images.labels.map((_, i) => {
    let sum = 0;
    for (let j = 0; j < length; j++) sum += (mine[j] - all[i * length + j]) ** 2;
    return sum;
  });
  const order = [...distances.keys()].sort((a, b) => distances[a] - distances[b]);
  const found = order.filter((place) => images.taken !== place).slice(0, 8);
  $$("nearest").replaceChildren(...found.map((place) => thumbnail(images, place, contents, images.take, `, distance ${Math.sqrt(distances[place]).toFixed(1)}`)));
  $$("nearest-text").textContent = `Of the ${images.labels.length.toLocaleString("en")} test images on this page, those whose ${length} values before the last layer are nearest: ${contents.classes[images.labels[found[0]]]} first.`;
}

function drawWhy(state, network, result, images, contents) {
  const turn = ++whyTurn, target = Number($$("target").value) < 0 ? largest(result.logits) : Number($$("target").value);
  const name = contents.classes[target], silenced = state.silenced[state.model];
  drawCam(network, result, target, state.pixels, name);
  return drawOcclusion(network, state.pixels, target, silenced, name, turn)
    .then(() => turn === whyTurn && drawNearest(network, network.layers, result, images, contents, turn));
}
