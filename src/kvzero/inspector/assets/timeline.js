// The whole game: the root's value and the rewards over its steps, and where in it we are.
const WIDTH = 1000, HEIGHT = 64;
const stepAt = scale([0, Math.max(numSteps - 1, 1)], 4, WIDTH - 4);

function drawTimeline() {
  const values = Array.from({ length: numSteps }, (_, step) => numberOf("values", step, 0));
  const y = scale(range(values), HEIGHT - 6, 6);
  const rewards = arrays.played_rewards.numbers;
  const [low, high] = range([0, ...rewards]);
  const bar = scale([low, high], HEIGHT, 0);
  const bars = Array.from(rewards, (reward, step) =>
    svg("line", { x1: stepAt(step), x2: stepAt(step), y1: bar(0), y2: bar(reward), class: "line c", opacity: 0.45 }));
  const game = find("game");
  game.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  game.setAttribute("preserveAspectRatio", "none");
  game.append(
    ...bars,
    svg("path", { d: pathOf(values, stepAt, y), class: "line a", "vector-effect": "non-scaling-stroke" }),
    svg("line", { id: "cursor", class: "cursor", y1: 0, y2: HEIGHT, "vector-effect": "non-scaling-stroke" }),
  );
  for (const id of ["step", "scrubber"]) find(id).max = numSteps - 1;
}

function showTimeline({ step }) {
  const cursor = find("cursor");
  cursor.setAttribute("x1", stepAt(step));
  cursor.setAttribute("x2", stepAt(step));
  find("step").value = step;
  find("scrubber").value = step;
  find("said").textContent =
    `of ${numSteps - 1} · plays ${nameRootAction(step, numberOf("chosen", step))} · value ` +
    `${format(numberOf("values", step, 0))} · reward ${format(numberOf("played_rewards", step))} · ` +
    "blue: value, green: reward";
}
