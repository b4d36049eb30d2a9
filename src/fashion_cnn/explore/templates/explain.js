// What a network's answer rests on.

// How a change of each layer's output would change the logit of a class: backwards to layer `until`.
function gradient(network, result, target, until) {
  let slope = new Float32Array(result.logits.length);
  slope[target] = 1;
  for (let at = network.layers.length - 1; at > until; at--) {
    const input = at ? result.outputs[at - 1] : result.input;
    slope = BACKWARD[network.layers[at].kind](slope, input, result.outputs[at], network.layers[at]);
  }
  return slope;
}

const BACKWARD = {
  Linear(slope, input, output, { weight }) {
    const back = new Float32Array(input.data.length);
    slope.forEach((s, o) => { if (s) for (let i = 0; i < back.length; i++) back[i] += s * weight.data[o * back.length + i]; });
    return back;
  },
  Flatten: (slope) => slope,
  ReLU: (slope, input) => slope.map((s, i) => (input.data[i] > 0 ? s : 0)),
  MaxPool2d(slope, input, output, layer) {
    const back = new Float32Array(input.data.length), [channels, height, width] = output.shape;
    for (let c = 0, at = 0; c < channels; c++)
      for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) back[winner(input, layer, c, y, x)] += slope[at++];
    return back;
  },
  Conv2d(slope, input, output, { weight, kernel, stride, padding, dilation }) {
    const back = new Float32Array(input.data.length), [channels, rows, columns] = input.shape;
    const [outputs, height, width] = output.shape;
    for (let o = 0, at = 0; o < outputs; o++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++, at++) {
          if (!slope[at]) continue;
          for (let c = 0; c < channels; c++)
            for (let i = 0; i < kernel; i++)
              for (let j = 0; j < kernel; j++) {
                const row = y * stride - padding + i * dilation, column = x * stride - padding + j * dilation;
                if (row >= 0 && row < rows && column >= 0 && column < columns)
                  back[(c * rows + row) * columns + column] += slope[at] * weight.data[((o * channels + c) * kernel + i) * kernel + j];
              }
        }
    return back;
  },
};

// The last layer of ReLU'd maps that are at least 4 cells a side: deeper maps say more of the class
// and less of the place.
function explainedLayer(network, result) {
  const maps = network.layers.map((layer, at) => (layer.kind === "ReLU" && result.outputs[at].shape[1] > 1 ? at : -1)).filter((at) => at >= 0);
  return maps.findLast((at) => result.outputs[at].shape[1] >= 4) ?? maps[0];
}

// Grad-CAM (Selvaraju et al., 2017): the maps, each weighted by its mean slope, added up; what
// speaks against the class is left out, and the highest is 1.
function gradCam(network, result, target) {
  const layer = explainedLayer(network, result), maps = result.outputs[layer], [channels, height, width] = maps.shape;
  const slope = gradient(network, result, target, layer), cells = height * width, heat = new Float32Array(cells);
  for (let c = 0; c < channels; c++) {
    let weight = 0;
    for (let i = 0; i < cells; i++) weight += slope[c * cells + i] / cells;
    for (let i = 0; i < cells; i++) heat[i] += weight * maps.data[c * cells + i];
  }
  const top = Math.max(...heat, 1e-30);
  return { layer, height, width, heat: heat.map((value) => Math.max(0, value) / top) };
}

// The pixels of the input that reach a pixel of layer `at`: [start, size] of rows and of columns.
function receptiveField(network, at, y, x) {
  let [top, left, size] = [y, x, 1];
  for (; at >= 0; at--) {
    const layer = network.layers[at];
    if (layer.kind === "Linear" || layer.kind === "Flatten") return { top: 0, left: 0, size: network.image_size };
    if (!layer.kernel) continue;
    top = top * layer.stride - layer.padding;
    left = left * layer.stride - layer.padding;
    size = (size - 1) * layer.stride + layer.dilation * (layer.kernel - 1) + 1;
  }
  return { top, left, size };
}

// How the logit of a class changes where a grey patch covers the picture: one value a position.
const PATCH = 6, STEP = 2;
function* occlusion(network, pixels, target, silenced) {
  const before = run(network, pixels, silenced).logits[target], side = Math.sqrt(pixels.length);
  for (let y = 0; y + PATCH <= side; y += STEP)
    for (let x = 0; x + PATCH <= side; x += STEP) {
      const covered = Uint8Array.from(pixels);
      for (let i = 0; i < PATCH; i++) covered.fill(128, (y + i) * side + x, (y + i) * side + x + PATCH);
      yield run(network, covered, silenced).logits[target] - before;
    }
}

// The penultimate layer's output: the last ReLU's.
const features = (network, result) => result.outputs[network.layers.findLastIndex((layer) => layer.kind === "ReLU")].data;
