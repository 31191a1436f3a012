// What is looked at, and how keyboard and pointer change it.
const PLAY_MS = 120, HASH_MS = 300;
const state = { step: 0, node: 0, folded: new Set(), view: null, timer: null };
let hashTimer = null;

function showAll() {
  showTimeline(state);
  showObservation(state);
  showRoot(state);
  showForesight(state);
  showNodes();
}

function showNodes() {
  showTree(state);
  showNode(state);
  showCache(state);
  clearTimeout(hashTimer); // a browser lets a page change its address a few times a second only
  hashTimer = setTimeout(() => history.replaceState(null, "", `#step=${state.step}&node=${state.node}`), HASH_MS);
}

function go(step) {
  const bounded = Math.min(Math.max(Math.round(step) || 0, 0), numSteps - 1);
  if (bounded === state.step) return;
  Object.assign(state, { step: bounded, node: 0, folded: new Set(), view: null });
  showAll();
}

function choose(node) {
  state.node = node;
  const parents = rowOf("parents", state.step);
  for (let above = parents[node]; above >= 0; above = parents[above]) state.folded.delete(above);
  showNodes();
}

function fold() {
  if (!childrenOf(state.step)[state.node].length) return;
  if (!state.folded.delete(state.node)) state.folded.add(state.node);
  showNodes();
}

function play() {
  if (state.timer) {
    clearInterval(state.timer);
    state.timer = null;
  } else {
    if (state.step === numSteps - 1) go(0);
    state.timer = setInterval(() => (state.step < numSteps - 1 ? go(state.step + 1) : play()), PLAY_MS);
  }
  find("play").textContent = state.timer ? "⏸ pause" : "▶ play";
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  mixShades();
  showAll();
}

const otherTheme = () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");

function goUp() {
  if (state.node) choose(numberOf("parents", state.step, state.node));
}

function goDown() {
  const below = childrenOf(state.step)[state.node];
  if (!below.length) return;
  const isBetter = (one, other) => numberOf("visits", state.step, one) > numberOf("visits", state.step, other);
  const principal = below.find((child) => numberOf("is_principal", state.step, child));
  choose(principal || below.reduce((best, child) => (isBetter(child, best) ? child : best)));
}

function goBeside(change) {
  if (!state.node) return;
  const beside = childrenOf(state.step)[numberOf("parents", state.step, state.node)];
  choose(beside[(beside.indexOf(state.node) + change + beside.length) % beside.length]);
}

function refit() {
  state.view = null;
  showTree(state);
}

const KEYS = {
  ArrowLeft: (event) => go(state.step - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => go(state.step + (event.shiftKey ? 10 : 1)),
  Home: () => go(0),
  End: () => go(numSteps - 1),
  " ": play,
  ArrowUp: goUp,
  ArrowDown: goDown,
  "[": () => goBeside(-1),
  "]": () => goBeside(1),
  f: fold,
  "+": () => zoom(state, 1.3),
  "-": () => zoom(state, 1 / 1.3),
  0: refit,
  t: otherTheme,
};

function listen() {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.id === "step" && /^[0-9-]$|^Arrow(Up|Down)$/.test(event.key);
    if (!(event.key in KEYS) || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); // neither the scrubber nor the page moves as well
    KEYS[event.key](event);
  }, true);
  find("play").addEventListener("click", play);
  find("theme").addEventListener("click", otherTheme);
  find("fold").addEventListener("click", fold);
  find("fit").addEventListener("click", refit);
  find("zoom-in").addEventListener("click", () => zoom(state, 1.3));
  find("zoom-out").addEventListener("click", () => zoom(state, 1 / 1.3));
  find("step").addEventListener("change", (event) => go(Number(event.target.value)));
  find("scrubber").addEventListener("input", (event) => go(Number(event.target.value)));
  find("game").addEventListener("click", (event) => {
    const box = find("game").getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * (numSteps - 1));
  });
  addEventListener("resize", refit);
  listenToTree();
}

function listenToTree() {
  const nodes = find("nodes");
  let held = null;
  nodes.addEventListener("pointerdown", ({ clientX, clientY }) => {
    held = { clientX, clientY, view: state.view, isMoved: false };
  });
  nodes.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (!held) return;
    const dx = clientX - held.clientX, dy = clientY - held.clientY;
    held.isMoved ||= Math.hypot(dx, dy) > 4;
    if (!held.isMoved) return;
    state.view = { ...held.view, x: held.view.x + dx, y: held.view.y + dy };
    moveView(state);
  });
  addEventListener("pointerup", (event) => {
    const node = held && !held.isMoved && event.target.closest?.(".node");
    held = null;
    if (node) choose(Number(node.dataset.node));
  });
  nodes.addEventListener("dblclick", fold);
  nodes.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(state, Math.exp(-event.deltaY / 400), { x: event.clientX, y: event.clientY });
  }, { passive: false });
}

function begin() {
  const ended = facts.is_cut ? "cut off" : facts.is_terminated ? "ended by itself" : "ended by its time limit";
  find("facts").textContent =
    `return ${format(facts.total)} in ${numSteps} steps, ${ended} · ${facts.checkpoint} · rule ${facts.rule}, ` +
    `${facts.num_simulations} simulations, discount ${facts.discount} · engine ${facts.engine}, store ${facts.store}`;
  const asked = new URLSearchParams(location.hash.slice(1));
  state.step = Math.min(Math.max(Number(asked.get("step")) || 0, 0), numSteps - 1);
  state.node = Math.min(Math.max(Number(asked.get("node")) || 0, 0), numNodes - 1);
  drawTimeline();
  listen();
  setTheme(asked.get("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
}

begin();
