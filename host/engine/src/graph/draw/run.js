"use strict";
// The states of a run on the page of its plan. Events come from the page itself, or one by one from the run.
(() => {
  const { plan, steps, numbers, add, plain, choose, fit, more, again } = page;
  const source = JSON.parse(document.getElementById("events").textContent);
  const box = document.getElementById("run"), timeline = document.getElementById("timeline");
  const doing = { create: "creating", finish: "finishing", adopt: "adopting", update: "updating", detach: "detaching", delete: "deleting" };
  // Every operation in the order of its start, and the last one of each resource.
  const operations = [], latest = new Map();
  const failures = [];
  let now = 0, ended = null, lost = false, total = plan.resources.filter(resource => resource.action !== "keep").length;
  // What the clock of the page said when the clock of the run said `now`.
  let heard = performance.now();

  const time = millis => {
    const seconds = Math.max(0, millis) / 1000;
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 60) return `${Math.round(seconds)} s`;
    const minutes = Math.floor(seconds / 60);
    return minutes < 60 ? `${minutes}m ${String(Math.floor(seconds % 60)).padStart(2, "0")}s`
      : `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
  };
  const clock = () => ended === null && source.live && !lost ? now + performance.now() - heard : now;

  const mark = (address, state) => {
    const at = numbers.get(address);
    if (at === undefined) return;
    const classes = document.getElementById(`r${at}`).classList;
    classes.remove("running", "done", "failed", "stopped");
    classes.add(state);
  };
  // A resource that is replaced is deleted and created: two operations, one after the other.
  const of = event => {
    const open = latest.get(event.address);
    if (open && !(open.end !== null && event.event === "operation-started")) return open;
    const operation = { address: event.address, operation: event.operation, start: now, end: null, state: "running", log: open ? open.log : [] };
    operations.push(operation);
    latest.set(event.address, operation);
    return operation;
  };
  const end = (event, state) => {
    const operation = of(event);
    operation.state = state;
    operation.end = now;
    mark(event.address, state);
    return operation;
  };
  const log = (operation, text) => operation.log.push([now, text]);

  const handlers = {
    "run-started": event => { total = event.operations; },
    "operation-started": event => { of(event); mark(event.address, "running"); },
    "operation-progress": event => {
      const operation = of(event);
      operation.latest = event.total ? `${event.message} ${Math.floor(100 * event.done / event.total)} %` : event.message;
      if (operation.said !== event.message) log(operation, event.message);
      operation.said = event.message;
    },
    "operation-note": event => log(of(event), event.message),
    "operation-waiting": event => { if (event.latest) of(event).latest = event.latest; },
    "retrying": event => {
      if (event.address) log(of(event), `${event.call}: ${event.reason}; trying again`);
    },
    "operation-interrupted": event => log(end(event, "stopped"), `stopped waiting: ${event.waiting}`),
    "operation-done": event => log(end(event, "done"), `done: ${event.id}`),
    "operation-failed": event => {
      const operation = end(event, "failed");
      operation.error = event.error && (event.error.message || String(event.error));
      log(operation, `failed: ${operation.error}`);
    },
    "failure": event => failures.push(event),
    "run-ended": event => { ended = event.ok ? "done" : event.interrupted ? "interrupted" : "failed"; },
  };
  const handle = event => {
    now = Math.max(now, event.at);
    heard = performance.now();
    const handler = handlers[event.event];
    if (handler) handler(event);
    if (event.address) again(event.address);
  };

  more.push((resource, panel) => {
    const operation = latest.get(resource.address);
    if (!operation) return;
    add(panel, "h2", "This run");
    const took = time((operation.end === null ? clock() : operation.end) - operation.start);
    add(panel, "p", `${doing[operation.operation] || operation.operation || ""}: ${operation.state}, ${took}`, "where");
    for (const failure of failures.filter(failure => failure.resource === resource.address)) {
      add(panel, "p", plain(failure.message), "error");
      if (failure.help) add(panel, "p", plain(failure.help), "advice");
    }
    const list = add(panel, "ol");
    for (const [at, text] of operation.log) add(list, "li", plain(`${time(at)}  ${text}`));
  });

  // What a resource waited for: its own dependencies, and everything in the steps that its step comes after.
  const after = new Map(plan.steps.map(step => [step.name, step.depends_on]));
  const needs = address => {
    const at = numbers.get(address);
    if (at === undefined) return [];
    const resource = plan.resources[at];
    const earlier = (after.get(resource.step) || []).flatMap(step => steps.get(step) || []);
    return [...resource.depends_on, ...earlier.map(other => other.address)];
  };
  // From what ended last, back along the dependency that ended last before it.
  const critical = () => {
    const path = new Set();
    let one = operations.filter(row => row.end !== null).sort((a, b) => b.end - a.end)[0];
    while (one && !path.has(one)) {
      path.add(one);
      const before = needs(one.address).map(other => latest.get(other));
      one = before.filter(other => other && other.end !== null && other.end <= one.start + 50).sort((a, b) => b.end - a.end)[0];
    }
    return path;
  };
  const button = (parent, address) => {
    const link = add(parent, "button", plain(address));
    link.title = plain(address);
    link.onclick = () => { show(false); if (numbers.has(address)) choose(numbers.get(address)); };
    return link;
  };

  const drawTimeline = () => {
    const path = critical(), whole = Math.max(clock(), 1);
    timeline.replaceChildren();
    const waited = [...path].reduce((sum, row) => sum + row.end - row.start, 0);
    const head = add(timeline, "p", operations.length ? `${operations.length} operations in ${time(whole)}. ` : "No operation has started yet.");
    if (path.size) {
      add(head, "i", undefined, "key");
      head.append(`critical path: ${path.size} operations, ${time(waited)}`);
    }
    for (const row of operations) {
      const line = add(timeline, "div", undefined, `row ${row.state}${path.has(row) ? " critical" : ""}`);
      button(line, row.address);
      const lane = add(line, "div", undefined, "lane"), bar = add(lane, "i");
      const stop = row.end === null ? clock() : row.end;
      bar.style.left = `${100 * row.start / whole}%`;
      bar.style.width = `${Math.max(0.1, 100 * (stop - row.start) / whole)}%`;
      add(line, "span", time(stop - row.start), "time");
    }
  };

  const draw = () => {
    const running = operations.filter(row => row.state === "running");
    const done = operations.filter(row => row.state === "done").length;
    total = Math.max(total, operations.length);
    const state = ended === null ? (lost ? "The run does not answer any more" : source.live ? "Running" : "Recorded")
      : { done: "Done", failed: "Failed", interrupted: "Interrupted" }[ended];
    box.replaceChildren();
    add(box, "h1", `${state}: ${done} of ${total}, ${time(clock())}`);
    const bar = add(add(box, "div", undefined, "bar"), "i");
    bar.style.width = `${total ? 100 * done / total : 100}%`;
    for (const failure of failures) {
      add(box, "p", plain(`${failure.resource || failure.step}: ${failure.message}`), "error");
      if (failure.help) add(box, "p", plain(failure.help), "advice");
    }
    const list = add(box, "ul");
    for (const row of running.slice(0, 12)) {
      const item = add(list, "li");
      button(item, row.address);
      add(item, "span", plain(`${row.latest ? row.latest + "  " : ""}${time(clock() - row.start)}`), "time");
    }
    if (running.length > 12) add(list, "li", `and ${running.length - 12} more`, "time");
    document.title = `${state} ${done}/${total}: ${plain(plan.pipeline)}`;
    if (!timeline.hidden && source.live) drawTimeline();
  };

  const toggle = document.getElementById("show-timeline");
  const show = is => {
    timeline.hidden = !is;
    toggle.textContent = is ? "Graph" : "Timeline";
    if (is) drawTimeline();
  };
  toggle.onclick = () => show(timeline.hidden);
  window.addEventListener("keydown", event => { if (event.key === "Escape") show(false); });

  if (source.live) {
    const timer = setInterval(draw, 500);
    // The browser connects again by itself, and says which event it heard last.
    const stream = new EventSource(source.live);
    stream.onmessage = message => {
      lost = false;
      handle(JSON.parse(message.data));
      if (ended === null) return;
      stream.close();
      // Nothing changes any more, and each drawing replaces the buttons under the pointer.
      clearInterval(timer);
      draw();
    };
    stream.onerror = () => { lost = ended === null; };
  } else {
    source.recorded.forEach(handle);
  }
  draw();
  fit();
})();
