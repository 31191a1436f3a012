// What was seen at the step: a picture, or numbers by name with their course over the game.
const CURVE = { width: 120, height: 22 };

function showObservation({ step }) {
  const body = bodyOf("observation");
  if (given.pictures.length) {
    if (!body.firstChild) body.append(html("img", { alt: "what the agent sees" }));
    body.firstChild.src = `data:image/png;base64,${given.pictures[step]}`;
    return;
  }
  if (!body.firstChild) body.append(drawFeatures());
  const seen = rowOf("observations", step);
  body.querySelectorAll("tr").forEach((row, feature) => {
    row.lastChild.replaceWith(cell(seen[feature], facts.feature_names[feature]));
    const x = curveX()(step);
    const cursor = row.querySelector(".cursor");
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  });
}

const curveX = () => scale([0, Math.max(numSteps - 1, 1)], 1, CURVE.width - 1);

function drawFeatures() {
  const rows = facts.feature_names.map((name, feature) => {
    const course = Array.from({ length: numSteps }, (_, step) => rowOf("observations", step)[feature]);
    const y = scale(range(course), CURVE.height - 2, 2);
    return html("tr", {}, html("th", {}, name), html("td", {}, svg("svg", { ...CURVE },
      svg("path", { d: pathOf(course, curveX(), y), class: "line a" }),
      svg("line", { class: "cursor", y1: 0, y2: CURVE.height }))), html("td"));
  });
  return html("table", {}, ...rows);
}
