// The sandbox of sizes, and the example worked out by hand.

function buildSandbox() {
  const knobs = { size: ["input i", 7, 3, 32], kernel: ["kernel k", 3, 1, 11], stride: ["stride s", 1, 1, 5], padding: ["padding p", 0, 0, 6], dilation: ["dilation d", 1, 1, 6] };
  const values = {};
  const draw = () => {
    const { size, kernel, stride, padding, dilation } = values, covers = dilation * (kernel - 1) + 1, padded = size + 2 * padding;
    const out = outputSize(size, values), fits = covers <= padded, canvas = $$("taps"), context = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name), cell = 400 / padded;
    context.clearRect(0, 0, 400, 400);
    for (let y = 0; y < padded; y++)
      for (let x = 0; x < padded; x++) {
        const inside = Math.min(x, y) >= padding && Math.max(x, y) < padded - padding;
        const tap = fits && x < covers && y < covers && x % dilation === 0 && y % dilation === 0;
        context.fillStyle = colour(tap ? "--plus" : inside ? "--wash" : "--paper");
        context.fillRect(x * cell, y * cell, cell, cell);
        context.strokeStyle = colour("--rule");
        context.strokeRect(x * cell, y * cell, cell, cell);
      }
    context.strokeStyle = colour("--mark");
    context.lineWidth = 3;
    if (fits) context.strokeRect(1.5, 1.5, covers * cell - 3, covers * cell - 3);
    if (fits && out > 1) { context.setLineDash([6, 6]); context.strokeRect(stride * cell + 1.5, 1.5, covers * cell - 3, covers * cell - 3); context.setLineDash([]); }
    context.lineWidth = 1;
    const text = fits ? `Output: ${out} × ${out}` : `No output: the kernel covers ${covers} pixels, the padded input has ${padded}. Make the kernel or the dilation smaller, or the padding larger.`;
    canvas.setAttribute("aria-label", `A kernel covering ${covers} of ${padded} pixels a side`);
    $$("sizes").replaceChildren(element("p", { className: fits ? "total" : "error", id: "sandbox-output" }, text), sizeFormula(values, size),
      element("p", {}, `The kernel covers d(k − 1) + 1 = ${covers} pixels a side with ${kernel} × ${kernel} weights. The solid frame is its first place, the dashed one its next.`));
  };
  for (const [key, [name, value, min, max]] of Object.entries(knobs)) {
    const shown = element("output", {}, String(value)), slider = element("input", { type: "range", min, max, value, id: `knob-${key}` });
    values[key] = value;
    slider.addEventListener("input", () => { values[key] = Number(slider.value); shown.textContent = slider.value; draw(); });
    $$("knobs").append(element("label", {}, `${name}: `, shown, slider));
  }
  draw();
  return draw;
}

const rows = (text) => text.split(" ").flatMap((row) => [...row].map(Number));
const EXAMPLE = {
  input: { shape: [3, 7, 7], data: Float32Array.from([
    rows("0000000 0222000 0102000 0001010 0111100 0220000 0000000"),
    rows("0000000 0121110 0210110 0000010 0202110 0020120 0000000"),
    rows("0000000 0100110 0102010 0201210 0121220 0112000 0000000")].flat()) },
  layer: { kernel: 3, stride: 2, padding: 0, dilation: 1,
    weight: { shape: [2, 3, 3, 3], data: Float32Array.from([
      -1, 1, 0, 0, -1, 0, -1, -1, 1, 0, -1, -1, -1, 1, 1, -1, -1, 1, -1, 1, 0, 0, 0, 1, 0, 0, -1,
      0, -1, -1, 1, -1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, -1]) },
    bias: { data: Float32Array.from([1, 0]) } },
};

function buildExample() {
  const { input, layer } = EXAMPLE, output = OPERATIONS.Conv2d(input, layer), pool = { name: "a 2 × 2 max-pool of stride 1", kernel: 2, stride: 1, padding: 0, dilation: 1 };
  let chosen = { kernel: 0, y: 0, x: 0 };
  const draw = () => {
    const { kernel, y, x } = chosen, map = output.data.slice(9 * kernel, 9 * kernel + 9);
    const table = cells(`Output of kernel ${"AB"[kernel]}, 3 × 3: choose a value`, map, 3, 7, 0, 3 * y + x);
    [...table.querySelectorAll("td")].forEach((cell, i) => {
      const button = element("button", { "aria-label": `row ${Math.floor(i / 3)}, column ${i % 3}: ${plain(map[i], 0)}` }, cell.textContent);
      button.addEventListener("click", () => { chosen = { kernel, y: Math.floor(i / 3), x: i % 3 }; draw(); });
      cell.replaceChildren(button);
    });
    const pooled = OPERATIONS.MaxPool2d({ data: map, shape: [1, 3, 3] }, pool);
    const channels = [0, 1, 2].map((c) => cells(`input channel ${c}`, input.data.slice(49 * c, 49 * c + 49), 7, 2));
    const parts = convolutionSum(input, layer, kernel, y, x).nodes;
    for (const part of parts) part.open = true;
    $$("example-body").replaceChildren(element("div", { className: "product" }, ...channels), element("div", { className: "product" }, table, cells(pool.name, pooled.data, 2, 7)), sizeFormula(layer, 7), ...parts);
    [...$$("example-kernels").children].forEach((button, i) => button.setAttribute("aria-pressed", i === kernel));
  };
  for (const kernel of [0, 1]) {
    const button = element("button", {}, `Kernel ${"AB"[kernel]}, bias ${layer.bias.data[kernel]}`);
    button.addEventListener("click", () => { chosen = { ...chosen, kernel }; draw(); });
    $$("example-kernels").append(button);
  }
  draw();
}
