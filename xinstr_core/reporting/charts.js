// A chart is drawn when it comes near the screen; until then, on paper and where no script runs, its still picture stands there.
const NARROW = 600; // pixels below which labels have several lines
const LABELS_SHARE = 0.45; // of a narrow width that labels of the vertical axis may take
const ERRORS = 1; // of Vega's log
// ast: expressions are interpreted, as the page's policy forbids to evaluate text.
const options = { ast: true, actions: false, renderer: "svg", tooltip: { theme: "custom" }, logLevel: ERRORS };

async function draw(figure) {
  const place = figure.querySelector(".drawing");
  const specification = JSON.parse(figure.querySelector("script").textContent);
  if (place.clientWidth < NARROW) {
    specification.params.find((one) => one.name === "narrow").value = true;
    specification.config.axisY.labelLimit = Math.round(place.clientWidth * LABELS_SHARE);
  }
  const drawn = document.createElement("div");
  drawn.className = "drawn";
  drawn.ariaHidden = "true"; // the figure is named, and its numbers stand in a table
  place.append(drawn);
  await vegaEmbed(drawn, specification, options);
  figure.dataset.drawn = "yes";
}

const watch = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watch.unobserve(entry.target);
        draw(entry.target);
      }
    }
  },
  { rootMargin: "600px" },
);
for (const figure of document.querySelectorAll("figure.chart")) watch.observe(figure);

// On paper nothing can be opened.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
window.addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
