// The networks' arithmetic. A tensor is {data: Float32Array, shape: [channels, height, width]}.

// The products of a patch and a kernel, added up: all that a convolution does, again and again.
function dot(a, aStart, b, bStart, length) {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, i = 0;
  for (; i + 3 < length; i += 4) {
    s0 += a[aStart + i] * b[bStart + i];
    s1 += a[aStart + i + 1] * b[bStart + i + 1];
    s2 += a[aStart + i + 2] * b[bStart + i + 2];
    s3 += a[aStart + i + 3] * b[bStart + i + 3];
  }
  for (; i < length; i++) s0 += a[aStart + i] * b[bStart + i];
  return s0 + s1 + s2 + s3;
}

// floor((i + 2p - d (k - 1) - 1) / s) + 1
const outputSize = (size, { kernel, stride, padding, dilation }) =>
  Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

// What lies under the kernel at (y, x): every channel's kernel x kernel values, 0 beyond the border.
function patchAt(input, layer, y, x, patch) {
  const [channels, height, width] = input.shape, { kernel, stride, padding, dilation } = layer;
  let at = 0;
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < kernel; i++) {
      const row = y * stride - padding + i * dilation, start = (c * height + row) * width;
      for (let j = 0; j < kernel; j++) {
        const column = x * stride - padding + j * dilation;
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        patch[at++] = inside ? input.data[start + column] : 0;
      }
    }
  return patch;
}

const OPERATIONS = {
  Conv2d(input, layer, silenced) {
    const { weight, bias, kernel } = layer, outputs = bias.data.length;
    const height = outputSize(input.shape[1], layer), width = outputSize(input.shape[2], layer);
    const length = input.shape[0] * kernel * kernel, patch = new Float32Array(length);
    const data = new Float32Array(outputs * height * width);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        patchAt(input, layer, y, x, patch);
        for (let o = 0; o < outputs; o++)
          if (!silenced || !silenced.has(o))
            data[(o * height + y) * width + x] = dot(weight.data, o * length, patch, 0, length) + bias.data[o];
      }
    return { data, shape: [outputs, height, width] };
  },
  ReLU: (input) => ({ data: input.data.map((value) => Math.max(0, value)), shape: input.shape }),
  MaxPool2d(input, layer) {
    const [channels, ...size] = input.shape, [height, width] = size.map((side) => outputSize(side, layer));
    const data = new Float32Array(channels * height * width);
    for (let c = 0, at = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) data[at++] = input.data[winner(input, layer, c, y, x)];
    return { data, shape: [channels, height, width] };
  },
  Flatten: (input) => ({ data: input.data, shape: [input.data.length, 1, 1] }),
  Linear(input, { weight, bias }) {
    const length = input.data.length;
    const data = bias.data.map((value, o) => value + dot(weight.data, o * length, input.data, 0, length));
    return { data, shape: [data.length, 1, 1] };
  },
};

// Where the largest value of a pool's window lies; the first of equals, as in torch.
function winner(input, { kernel, stride }, c, y, x) {
  const [, height, width] = input.shape;
  let best = -1;
  for (let i = 0; i < kernel; i++)
    for (let j = 0; j < kernel; j++) {
      const at = (c * height + y * stride + i) * width + x * stride + j;
      if (best < 0 || input.data[at] > input.data[best]) best = at;
    }
  return best;
}

// Bilinear, pixel centres at halves, as torch resizes; a reduction is antialiased.
function resize(data, from, to) {
  const scale = from / to, reach = Math.max(1, scale);
  const taps = Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale, found = [];
    for (let j = Math.floor(centre - reach); j <= Math.ceil(centre + reach); j++) {
      const share = Math.max(0, 1 - Math.abs((j + 0.5 - centre) / reach));
      // An enlargement repeats the border; a reduction leaves out what lies beyond it.
      if (share && (scale <= 1 || (j >= 0 && j < from))) found.push([Math.min(from - 1, Math.max(0, j)), share]);
    }
    const sum = found.reduce((total, [, share]) => total + share, 0);
    return found.map(([j, share]) => [j, share / sum]);
  });
  const rows = new Float32Array(from * to), out = new Float32Array(to * to);
  for (let y = 0; y < from; y++)
    for (let x = 0; x < to; x++) for (const [j, share] of taps[x]) rows[y * to + x] += share * data[y * from + j];
  for (let y = 0; y < to; y++)
    for (let x = 0; x < to; x++) for (const [i, share] of taps[y]) out[y * to + x] += share * rows[i * to + x];
  return out;
}

// 28 x 28 pixels from 0 to 255 -> the network's input: 0 to 1, then normalised, then resized.
function transform(network, pixels) {
  const side = Math.sqrt(pixels.length), size = network.image_size;
  const data = Float32Array.from(pixels, (p) => (p / 255 - network.mean) / network.standard_deviation);
  return { data: size === side ? data : resize(data, side, size), shape: [1, size, size] };
}

// The output of every layer; silenced: the channels that are set to 0, by layer.
function run(network, pixels, silenced = {}) {
  let values = transform(network, pixels);
  const outputs = [values];
  for (const layer of network.layers) outputs.push((values = OPERATIONS[layer.kind](values, layer, silenced[layer.name])));
  return { input: outputs[0], outputs: outputs.slice(1), logits: values.data, probabilities: softmax(values.data) };
}

function softmax(logits) {
  const highest = Math.max(...logits), powers = Float32Array.from(logits, (value) => Math.exp(value - highest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

const largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
