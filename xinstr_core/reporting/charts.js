// A chart is drawn when it comes near the screen; until then, and where no script runs, its still picture stands there.
const CONTAINER_SHARE = 0.38; // of the width that labels of the vertical axis may take
const options = { ast: true, actions: false, renderer: "svg", tooltip: { theme: "custom" } }; // ast: nothing is evaluated

async function draw(figure) {
  const place = figure.querySelector(".drawing");
  const specification = JSON.parse(figure.querySelector("script").textContent);
  const limit = Math.max(90, Math.round(place.clientWidth * CONTAINER_SHARE));
  specification.config.axisY.labelLimit = Math.min(specification.config.axisY.labelLimit, limit);
  const drawn = document.createElement("div");
  drawn.className = "drawn";
  place.append(drawn);
  await vegaEmbed(drawn, specification, options);
  place.querySelector(".picture").remove();
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
