// Follows a job live: its state, progress, figures and log. The page is complete without this script.
const job = document.getElementById("job");
const log = document.getElementById("log");
const plots = document.getElementById("series");
const NAMESPACE = "http://www.w3.org/2000/svg";

function drawSeries(figure) {
  const values = JSON.parse(figure.dataset.points);
  const steps = JSON.parse(figure.dataset.steps);
  const known = values.map((value, i) => [steps[i], value]).filter(([, value]) => value !== null);
  figure.querySelector("svg")?.remove();
  if (known.length < 2) return;
  const [width, height] = [320, 120];
  const range = (numbers) => [Math.min(...numbers), Math.max(...numbers)];
  const [x0, x1] = range(known.map(([step]) => step));
  const [y0, y1] = range(known.map(([, value]) => value));
  const place = ([step, value]) => [
    4 + ((step - x0) / (x1 - x0 || 1)) * (width - 8),
    height - 4 - ((value - y0) / (y1 - y0 || 1)) * (height - 8),
  ];
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  const line = document.createElementNS(NAMESPACE, "polyline");
  line.setAttribute("points", known.map((point) => place(point).map((n) => n.toFixed(1)).join(",")).join(" "));
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", "#8a3b12");
  line.setAttribute("stroke-width", "2");
  svg.append(line);
  figure.prepend(svg);
}

async function refreshSeries() {
  const answer = await fetch(`/api/v1/jobs/${job.dataset.id}/metrics`);
  if (!answer.ok) return;
  const { items } = await answer.json();
  document.getElementById("no-series").hidden = items.length > 0;
  for (const { name, points } of items) {
    let figure = [...plots.children].find((child) => child.dataset.name === name);
    if (!figure) {
      figure = document.createElement("figure");
      figure.dataset.name = name;
      figure.append(document.createElement("figcaption"));
      plots.append(figure);
    }
    figure.dataset.points = JSON.stringify(points.map((point) => point.value));
    figure.dataset.steps = JSON.stringify(points.map((point) => point.step));
    figure.querySelector("figcaption").textContent = `${name}: ${points.at(-1).value?.toPrecision(5) ?? ""}`;
    drawSeries(figure);
  }
}

function appendLog(text) {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  log.append(text);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function follow() {
  const events = new EventSource(`/api/v1/jobs/${job.dataset.id}/events?offset=${job.dataset.logOffset}`);
  events.addEventListener("progress", ({ data }) => {
    const { fraction, step, state } = JSON.parse(data);
    document.getElementById("bar").style.width = `${fraction * 100}%`;
    document.getElementById("step").textContent = step;
    const shown = document.querySelector("#state .state");
    if (state && shown.dataset.state !== state) location.reload();
    refreshSeries();
  });
  events.addEventListener("log", ({ data }) => appendLog(JSON.parse(data).text));
  events.addEventListener("end", () => { events.close(); location.reload(); });
}

for (const figure of plots.children) drawSeries(figure);
log.scrollTop = log.scrollHeight;
if (job.dataset.live === "yes") follow();
