// Drawing, shifting, picture files and test images: what fills `pixels`, 784 values from 0 to 255.

function buildInput(pixels, changed, images, contents) {
  const picture = $$("picture"), cursor = { x: 14, y: 14, shown: false };
  let erasing = false, last = null;

  // A soft round brush of radius 1.3: the middle is full, the border fades.
  const dab = (x, y) => {
    for (let row = Math.floor(y - 2); row <= y + 2; row++)
      for (let column = Math.floor(x - 2); column <= x + 2; column++) {
        if (row < 0 || row > 27 || column < 0 || column > 27) continue;
        const strength = Math.min(1, Math.max(0, 1.8 - Math.hypot(column + 0.5 - x, row + 0.5 - y))), at = row * 28 + column;
        pixels[at] = erasing ? pixels[at] * (1 - strength) : Math.max(pixels[at], 255 * strength);
      }
  };
  const place = (event) => {
    const box = picture.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * 28, ((event.clientY - box.top) / box.height) * 28];
  };
  const stroke = (event) => {
    const [x, y] = place(event), [fromX, fromY] = last ?? [x, y], parts = Math.ceil(Math.hypot(x - fromX, y - fromY)) || 1;
    for (let i = 1; i <= parts; i++) dab(fromX + ((x - fromX) * i) / parts, fromY + ((y - fromY) * i) / parts);
    last = [x, y];
    changed();
  };
  picture.addEventListener("pointerdown", (event) => { picture.setPointerCapture(event.pointerId); last = null; stroke(event); });
  // A quick hand moves several times within a frame: the browser hands these over as one event.
  picture.addEventListener("pointermove", (event) => { if (event.buttons) for (const each of [...(event.getCoalescedEvents?.() ?? []), event]) stroke(each); });
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) { cursor.x = Math.min(27, Math.max(0, cursor.x + step[0])); cursor.y = Math.min(27, Math.max(0, cursor.y + step[1])); }
    else if (event.key === " ") dab(cursor.x + 0.5, cursor.y + 0.5);
    else return;
    event.preventDefault();
    cursor.shown = true;
    changed();
  });
  picture.addEventListener("blur", () => { cursor.shown = false; changed(); });

  const setErasing = (erase) => { erasing = erase; $$("brush").setAttribute("aria-pressed", !erase); $$("eraser").setAttribute("aria-pressed", erase); };
  $$("brush").addEventListener("click", () => setErasing(false));
  $$("eraser").addEventListener("click", () => setErasing(true));
  $$("clear").addEventListener("click", () => { pixels.fill(0); setErasing(false); changed(); });
  for (const button of document.querySelectorAll("[data-shift]"))
    button.addEventListener("click", () => {
      const [dx, dy] = button.dataset.shift.split(",").map(Number), before = Uint8Array.from(pixels);
      for (let y = 0; y < 28; y++)
        for (let x = 0; x < 28; x++) {
          const inside = x - dx >= 0 && x - dx < 28 && y - dy >= 0 && y - dy < 28;
          pixels[y * 28 + x] = inside ? before[(y - dy) * 28 + x - dx] : 0;
        }
      changed();
    });

  buildFitting(pixels, changed);
  buildGallery(pixels, changed, images, contents);
  return cursor;
}

// A picture file: cut to its clothing and inverted where its corners are light, then by hand.
function buildFitting(pixels, changed) {
  let source = null, box = null, level = 0;
  const controls = ["fit-size", "fit-x", "fit-y", "fit-invert"].map($$);
  const small = element("canvas", { width: 28, height: 28 });

  const redraw = () => {
    const [size, x, y] = controls.map((control) => Number(control.value)), invert = controls[3].checked;
    const scale = (28 * size) / Math.max(box.width, box.height), context = small.getContext("2d", { willReadFrequently: true });
    context.fillStyle = `rgb(${level} ${level} ${level})`;
    context.fillRect(0, 0, 28, 28);
    const [width, height] = [source.width * scale, source.height * scale];
    const left = 14 + 28 * x - (box.left + box.width / 2) * scale, top = 14 + 28 * y - (box.top + box.height / 2) * scale;
    context.imageSmoothingQuality = "high";
    // Halved until it is near its size: one step from a large picture would skip pixels.
    let shrunk = source;
    while (shrunk.width > 2 * width && shrunk.width > 2) {
      const half = element("canvas", { width: Math.ceil(shrunk.width / 2), height: Math.max(1, Math.ceil(shrunk.height / 2)) });
      half.getContext("2d").drawImage(shrunk, 0, 0, half.width, half.height);
      shrunk = half;
    }
    context.drawImage(shrunk, left, top, width, height);
    const { data } = context.getImageData(0, 0, 28, 28);
    for (let i = 0; i < 784; i++) {
      const grey = Math.round(0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
      pixels[i] = invert ? 255 - grey : grey;
    }
    paintGrey($$("preview"), pixels);
    changed();
  };

  const open = async (file) => {
    let bitmap;
    try { bitmap = await createImageBitmap(file); } catch { return ($$("picture-help").textContent = `${file.name} is not a picture that this browser can read: try a PNG or JPEG file.`); }
    const shrink = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
    source = element("canvas", { width: Math.max(1, Math.round(bitmap.width * shrink)), height: Math.max(1, Math.round(bitmap.height * shrink)) });
    const context = source.getContext("2d", { willReadFrequently: true }), { width, height } = source;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height), side = Math.max(1, Math.round(Math.min(width, height) / 14));
    const grey = Uint8Array.from({ length: width * height }, (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
    const corners = [];
    for (const y of [...Array(side).keys()].flatMap((i) => [i, height - 1 - i])) for (const x of [...Array(side).keys()].flatMap((i) => [i, width - 1 - i])) corners.push(grey[y * width + x]);
    level = corners.sort((a, b) => a - b)[corners.length >> 1];
    let [left, right, top, bottom] = [width, -1, height, -1];
    grey.forEach((value, i) => {
      if (Math.abs(value - level) <= 0.05 * 255) return;
      const x = i % width, y = Math.floor(i / width);
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    });
    const whole = right < 0 || (width === 28 && height === 28);
    box = whole ? { left: 0, top: 0, width, height } : { left, top, width: right + 1 - left, height: bottom + 1 - top };
    [controls[0].value, controls[1].value, controls[2].value] = [1, 0, 0];
    controls[3].checked = level > 127;
    $$("fitting").hidden = false;
    redraw();
  };

  controls.forEach((control) => control.addEventListener("input", redraw));
  $$("fit-done").addEventListener("click", () => { $$("fitting").hidden = true; $$("picture").focus(); });
  $$("file").addEventListener("change", (event) => { if (event.target.files[0]) open(event.target.files[0]); event.target.value = ""; });
  const frame = $$("drop");
  for (const target of [document.body]) {
    target.addEventListener("dragover", (event) => { event.preventDefault(); frame.classList.add("over"); });
    target.addEventListener("dragleave", () => frame.classList.remove("over"));
    target.addEventListener("drop", (event) => { event.preventDefault(); frame.classList.remove("over"); if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]); });
  }
}

// A button with a test image; `note` says more about it.
function thumbnail(images, place, contents, take, note = "") {
  const canvas = element("canvas", { width: 28, height: 28 });
  paintGrey(canvas, images.pixels, 784 * place);
  const label = `Test image ${images.indices[place]}: ${contents.classes[images.labels[place]]}${note}`;
  const button = element("button", { title: label, "aria-label": label }, canvas);
  button.dataset.place = place;
  button.addEventListener("click", () => take(place));
  return button;
}

function buildGallery(pixels, changed, images, contents) {
  const choice = $$("class"), which = $$("which"), model = Object.keys(contents.networks)[0], answers = contents.answers[model];
  choice.append(element("option", { value: -1 }, "every class"), ...contents.classes.map((name, i) => element("option", { value: i }, name)));
  images.take = (place) => { pixels.set(images.pixels.subarray(784 * place, 784 * place + 784)); images.taken = place; changed(); };
  const fill = () => {
    const order = which.value === "surest" ? answers.surest_mistakes : [...images.labels.keys()];
    const wrong = (place) => answers.predicted[place] !== images.labels[place];
    const found = order.filter((place) => (Number(choice.value) < 0 || images.labels[place] === Number(choice.value))
      && (which.value === "right" ? !wrong(place) : which.value === "all" || wrong(place)));
    $$("gallery").replaceChildren(...found.slice(0, 15).map((place) => {
      const mistake = wrong(place) ? `, taken for ${contents.classes[answers.predicted[place]]} with ${Math.round(100 * answers.confidence[place])} %` : "";
      const button = thumbnail(images, place, contents, images.take, mistake);
      if (wrong(place)) button.className = "wrong";
      return button;
    }));
    if (!found.length) $$("gallery").append(element("p", { className: "quiet" }, "None among the images on this page."));
  };
  choice.addEventListener("change", fill);
  which.addEventListener("change", fill);
  fill();
}
