// Open loop: what the network foresaw over the steps that followed, without looking, and what came.
const CHART = { width: 180, height: 92, left: 42 };

function showForesight({ step }) {
  bodyOf("foresight").replaceChildren(
    chart("reward", rowOf("foreseen_rewards", step), rowOf("followed_rewards", step)),
    chart("value", rowOf("foreseen_values", step), rowOf("read_values", step)),
    chart("latent error (1: their spread)", rowOf("latent_errors", step), null),
    caption("latents, foreseen above seen", drawLatents(step)),
  );
}

const round = (number) =>
  number && Math.abs(number) < 1e-3 ? number.toExponential(1) : String(Number(number.toPrecision(2)));
const caption = (words, ...drawn) => html("figure", {}, html("figcaption", {}, words), ...drawn);

function chart(name, foreseen, followed) {
  const both = [...foreseen, ...(followed || [])].filter((number) => !Number.isNaN(number));
  const span = followed ? range(both) : [0, Math.max(1, ...both)];
  const right = CHART.width - 6;
  const x = scale([0, Math.max(foreseen.length - 1, 1)], CHART.left + 4, right), y = scale(span, CHART.height - 16, 8);
  const course = (numbers, kind) => [
    svg("path", { class: `line ${kind}`, d: pathOf(numbers, x, y) }),
    ...Array.from(numbers, (number, depth) => ({ number, depth }))
      .filter(({ number }) => !Number.isNaN(number))
      .map(({ number, depth }) =>
        svg("circle", { class: `dot ${kind}`, cx: x(depth), cy: y(number), r: 2.2, "data-exact": String(number) },
          svg("title", {}, `${depth + 1} steps later: ${number}`))),
  ];
  const label = (text, at, anchor) => svg("text", { ...at, "text-anchor": anchor, class: "soft" }, text);
  const frame = {
    viewBox: `0 0 ${CHART.width} ${CHART.height}`, width: "100%", role: "img", "aria-label": name,
    "data-chart": name.split(" ")[0],
  };
  return caption(name, svg("svg", frame,
    svg("line", { class: "axis", x1: CHART.left, x2: right, y1: y(span[0]), y2: y(span[0]) }),
    label(round(span[1]), { x: CHART.left - 3, y: 12 }, "end"),
    label(round(span[0]), { x: CHART.left - 3, y: CHART.height - 14 }, "end"),
    label("1", { x: CHART.left + 4, y: CHART.height - 2 }, "middle"),
    label(`${foreseen.length} steps later`, { x: right, y: CHART.height - 2 }, "end"),
    ...course(foreseen, "a"), ...(followed ? course(followed, "b") : [])));
}

function drawLatents(step) {
  const [, depth, columns] = arrays.foreseen_latents.shape, height = 3 * depth;
  const canvas = html("canvas", { width: columns, height });
  const picture = new ImageData(columns, height);
  for (let row = 0; row < height; row++) {
    if (row % 3 === 2) continue;
    const numbers = rowOf(row % 3 ? "seen_latents" : "foreseen_latents", step, (row - (row % 3)) / 3);
    numbers.forEach((number, column) => {
      if (number) picture.data.set([...shades[number], 255], 4 * (row * columns + column));
    });
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}
