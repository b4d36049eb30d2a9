"use strict";
// Values of the charts: under the pointer, or with the arrow keys.
const tip = document.getElementById("tip");
let shown = null;
// While the keys lead, a page that scrolls under a resting pointer changes nothing.
let keys = false;

function show(hit) {
  if (shown) shown.classList.remove("on");
  shown = hit;
  tip.textContent = hit ? hit.getAttribute("aria-label") : "";
  if (!hit) return;
  hit.classList.add("on");
  const at = hit.getBoundingClientRect(), box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left + at.width / 2 - box.width / 2), innerWidth - box.width - 8);
  const above = at.top - box.height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : Math.min(at.bottom + 8, innerHeight - box.height - 8)}px`;
}

for (const chart of document.querySelectorAll(".chart")) {
  const hits = [...chart.querySelectorAll("path[aria-label]")];
  chart.addEventListener("pointermove", () => { keys = false; });
  chart.addEventListener("pointerover", (event) => { if (!keys) show(event.target.closest("path[aria-label]")); });
  chart.addEventListener("pointerleave", () => { if (!keys) show(null); });
  chart.addEventListener("blur", () => show(null));
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(null);
    if (!step) return;
    event.preventDefault();
    keys = true;
    const here = hits.indexOf(shown);
    show(hits[here < 0 ? (step > 0 ? 0 : hits.length - 1) : (here + step + hits.length) % hits.length]);
  });
}
addEventListener("scroll", () => { if (shown) show(shown); }, { passive: true });

// Images, large.
const dialog = document.querySelector("dialog");
const images = [...document.querySelectorAll(".open")];
let current = 0;

function open(index) {
  current = (index + images.length) % images.length;
  const from = images[current].querySelector("img"), to = dialog.querySelector("img");
  to.src = from.src;
  to.alt = from.alt;
  to.width = from.getAttribute("width");
  to.height = from.getAttribute("height");
  dialog.querySelector("p").textContent = from.alt;
  dialog.querySelector(".frame").scrollTo(0, 0);
  if (dialog.open) return;
  dialog.showModal();
  dialog.querySelector("[data-step='1']").focus();
}
images.forEach((button, index) => button.addEventListener("click", () => open(index)));
dialog.querySelector("[data-step='-1']").addEventListener("click", () => open(current - 1));
dialog.querySelector("[data-step='1']").addEventListener("click", () => open(current + 1));
dialog.addEventListener("keydown", (event) => {
  if (event.target.closest(".frame")) return; // there, the arrows scroll
  if (event.key === "ArrowLeft") open(current - 1);
  if (event.key === "ArrowRight") open(current + 1);
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => images[current].focus());

// What scrolls can be reached by keyboard.
function reach() {
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
reach();
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);

// The section in view is marked in the contents.
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const section of document.querySelectorAll("main section")) watch.observe(section);
