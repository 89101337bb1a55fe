"use strict";
const page = (() => {
  const plan = JSON.parse(document.getElementById("plan").textContent);
  const view = document.getElementById("view");
  const svg = view.querySelector("svg");
  const panel = document.getElementById("panel");
  const size = svg.viewBox.baseVal;

  // Pan and zoom.
  let x = 0, y = 0, scale = 1;
  // From afar, names of resources cannot be read: steps stand for them, which also keeps 1,000 boxes out of each frame.
  const FAR = 0.28;
  const show = () => {
    svg.style.transform = `translate(${x}px,${y}px) scale(${scale})`;
    svg.classList.toggle("far", scale < FAR);
  };
  const fit = () => {
    const room = view.clientWidth - (panel.hidden || view.clientWidth < 900 ? 0 : panel.offsetWidth);
    // Between the search above and the buttons below.
    const top = document.getElementById("find").getBoundingClientRect().bottom + 8;
    const height = Math.max(120, (document.getElementById("run") || document.getElementById("tools")).getBoundingClientRect().top - 8 - top);
    scale = Math.min(room / size.width, height / size.height, 1.5);
    x = Math.max(0, (room - size.width * scale) / 2);
    y = top + Math.max(0, (height - size.height * scale) / 2);
    show();
  };
  const zoom = (factor, cx = view.clientWidth / 2, cy = view.clientHeight / 2) => {
    const next = Math.min(8, Math.max(0.01, scale * factor));
    x = cx - (cx - x) * next / scale;
    y = cy - (cy - y) * next / scale;
    scale = next;
    show();
  };
  view.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX, event.clientY);
  }, { passive: false });

  const fingers = new Map();
  let moved = 0;
  view.addEventListener("pointerdown", event => {
    if (event.button > 0) return;
    if (!fingers.size) moved = 0;
    fingers.set(event.pointerId, event);
  });
  window.addEventListener("pointermove", event => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last.clientX, dy = event.clientY - last.clientY;
    moved += Math.abs(dx) + Math.abs(dy);
    if (fingers.size === 2) {
      const other = [...fingers.values()].find(finger => finger.pointerId !== event.pointerId);
      const far = finger => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY) || 1;
      zoom(far(event) / far(last), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
    } else {
      x += dx;
      y += dy;
      show();
    }
    view.classList.toggle("moving", moved > 4);
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    window.addEventListener(end, event => {
      fingers.delete(event.pointerId);
      if (!fingers.size) view.classList.remove("moving");
    });
  }
  document.getElementById("in").onclick = () => zoom(1.25);
  document.getElementById("out").onclick = () => zoom(0.8);
  document.getElementById("fit").onclick = fit;
  window.addEventListener("resize", fit);

  // Lines come in pieces; those between lanes belong to the line they are part of.
  const into = new Map(), outOf = new Map();
  const note = (map, key, wire) => map.has(key) ? map.get(key).push(wire) : map.set(key, [wire]);
  for (const wire of svg.querySelectorAll(".wires .wire")) {
    note(into, wire.dataset.b, wire);
    note(outOf, wire.dataset.a, wire);
  }
  const follow = (start, map, side, found) => {
    const open = [start];
    while (open.length) {
      for (const wire of map.get(open.pop()) || []) {
        if (found.has(wire)) continue;
        found.add(wire);
        if (wire.dataset[side].startsWith("l")) open.push(wire.dataset[side]);
      }
    }
  };

  // The panel. Everything from the plan is set as text.
  const add = (parent, tag, text, name) => {
    const element = parent.appendChild(document.createElement(tag));
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  // What could act on the page's own text flow is written out.
  const plain = text => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    c => "\\u{" + c.codePointAt(0).toString(16) + "}");
  const value = json => plain(JSON.stringify(json, null, 2));
  const counted = resources => {
    const counts = {};
    for (const resource of resources) counts[resource.action] = (counts[resource.action] || 0) + 1;
    return counts;
  };
  const numbers = new Map(plan.resources.map((resource, at) => [resource.address, at]));
  const needed = plan.resources.map(() => []);
  plan.resources.forEach((resource, at) => {
    for (const other of resource.depends_on) if (numbers.has(other)) needed[numbers.get(other)].push(at);
  });
  const links = (title, list) => {
    if (!list.length) return;
    add(panel, "h2", title);
    const box = add(panel, "div", undefined, "links");
    for (const at of list) add(box, "button", plain(plan.resources[at].address)).onclick = () => choose(at);
  };
  const words = { create: "+ create", finish: "+ finish", update: "~ update", replace: "± replace", delete: "− delete", keep: "= unchanged" };

  // What whoever drew the page knew besides the plan: costs, grants and IAM actions.
  const dollars = amount => {
    const digits = amount < 0.001 ? 4 : amount < 0.1 ? 3 : amount < 100 ? 2 : 0;
    return "$" + amount.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };
  const range = ({ least, most }) => dollars(least) + (most - least > 1e-9 ? ` to ${dollars(most)}` : "");
  const each = lists => [...new Set(lists.flat())].sort();
  const names = (title, list) => {
    if (list === undefined) return;
    add(panel, "h2", title);
    if (list === null) return add(panel, "p", "All: the plugin is part of llmhost.", "where");
    const box = add(panel, "p", list.length ? undefined : "none", list.length ? "names" : "where");
    for (const name of list) add(box, "code", plain(name));
  };
  const bill = resources => {
    if (plan.costs === undefined) return;
    add(panel, "h2", "Cost");
    const stay = resources.filter(resource => resource.action !== "delete");
    const billed = stay.map(resource => resource.cost).filter(Boolean), priced = billed.filter(cost => cost.hourly);
    const sum = of => priced.reduce((all, cost) => ({ least: all.least + cost[of].least, most: all.most + cost[of].most }), { least: 0, most: 0 });
    if (priced.length) {
      const most = priced.some(cost => cost.spot) ? "at most " : "";
      add(panel, "p", `${most}${range(sum("hourly"))} an hour, ${range(sum("monthly"))} a month`, "sum");
    }
    if (resources.length === 1 && billed.length) add(panel, "p", plain(billed[0].what), "where");
    const use = each(billed.map(cost => cost.by_use)), unknown = each(billed.map(cost => cost.unknown));
    if (use.length) add(panel, "p", plain(`Billed by use, not counted: ${use.join(", ")}.`), "where");
    if (unknown.length) add(panel, "p", plain(`Price unknown, not counted: ${unknown.join(", ")}.`), "where");
    if (!stay.length) add(panel, "p", "Nothing after the deletion.", "where");
    else if (!billed.length) add(panel, "p", "Not in the estimate: AWS bills nothing for this by itself, or its price is unknown.", "where");
    else add(panel, "p", plain(plan.costs), "where");
  };
  const open = (name, where) => {
    panel.replaceChildren();
    const close = add(panel, "button", "×");
    close.id = "close";
    close.setAttribute("aria-label", "Close");
    close.onclick = leave;
    add(panel, "h1", plain(name));
    add(panel, "p", plain(where), "where");
    panel.hidden = false;
    panel.scrollTop = 0;
  };
  const grants = new Map(plan.steps.map(step => [step.name, step.grants]));

  // What else is known of a resource: the page of a run adds to it.
  const more = [];
  const fill = at => {
    const resource = plan.resources[at];
    open(resource.name, `${resource.kind} in step ${resource.step}`);
    add(panel, "span", words[resource.action], `action is-${resource.action}`);
    if (resource.interrupts) add(panel, "p", plain(`! ${resource.interrupts}`), "interrupts");
    for (const section of more) section(resource, panel);
    if (resource.changes.length) {
      add(panel, "h2", "Changes");
      for (const change of resource.changes) {
        const box = add(panel, "div", undefined, "change");
        add(box, "b", plain(change.path));
        if (change.old !== undefined) add(box, "code", value(change.old), "was");
        if (change.new !== undefined) add(box, "code", value(change.new), "now");
        if (change.replaces) add(box, "em", "forces replacement");
        if (change.may_replace) add(box, "em", "may force replacement");
      }
    }
    bill([resource]);
    names(`Grants of step ${plain(resource.step)}`, grants.get(resource.step));
    names("IAM actions that llmhost needs", resource.actions);
    add(panel, "h2", resource.action === "delete" ? "Spec in the state" : "Declared spec");
    add(panel, "pre", value(resource.spec));
    links("Comes after", resource.depends_on.filter(other => numbers.has(other)).map(other => numbers.get(other)));
    links("Comes before", needed[at]);
  };
  const fillStep = box => {
    const name = box.querySelector(".name").textContent, inside = steps.get(name) || [];
    open(name, box.querySelector("title").textContent);
    for (const [action, count] of Object.entries(counted(inside))) add(panel, "span", `${words[action]} ${count}`, `action is-${action}`);
    if (inside.length) bill(inside);
    names("Grants", grants.get(name));
    if (inside.some(resource => resource.actions)) names("IAM actions that llmhost needs", each(inside.map(resource => resource.actions || [])));
    links("Resources", inside.map(resource => numbers.get(resource.address)));
  };

  const bringIntoView = box => {
    const room = view.clientWidth - (view.clientWidth < 900 ? 0 : panel.offsetWidth);
    // What is far away comes to the middle; what is beside the edge, or below the panel, moves as little as it can.
    const into = (start, end, size, whole) => {
      if (end < 0 || start > whole) return size / 2 - (start + end) / 2;
      const back = Math.min(0, size - 40 - end);
      return back + Math.max(0, 40 - start - back);
    };
    if (box.left < 0 || box.right > room) x += into(box.left, box.right, room, view.clientWidth);
    if (box.top < 0 || box.bottom > view.clientHeight) y += into(box.top, box.bottom, view.clientHeight, view.clientHeight);
    show();
  };
  const clear = () => {
    for (const element of svg.querySelectorAll(".near, .chosen")) element.classList.remove("near", "chosen");
    svg.classList.remove("choosing");
  };
  const choose = at => {
    clear();
    const found = new Set();
    follow(`r${at}`, into, "a", found);
    follow(`r${at}`, outOf, "b", found);
    svg.classList.add("choosing");
    for (const wire of found) {
      wire.classList.add("near");
      for (const end of [wire.dataset.a, wire.dataset.b]) {
        if (end.startsWith("r")) document.getElementById(end).classList.add("near");
      }
    }
    document.getElementById(`r${at}`).classList.add("near", "chosen");
    fill(at);
    bringIntoView(document.getElementById(`r${at}`).getBoundingClientRect());
    if (location.hash !== `#r${at}`) history.replaceState(null, "", `#r${at}`);
  };
  const chooseStep = box => {
    clear();
    box.classList.add("chosen");
    fillStep(box);
    bringIntoView(box.getBoundingClientRect());
    history.replaceState(null, "", `#${box.id}`);
  };
  const leave = () => {
    clear();
    panel.hidden = true;
    history.replaceState(null, "", location.pathname + location.search);
  };

  const button = (box, label, chosen) => {
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.setAttribute("aria-label", label);
    box.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      chosen();
    });
  };
  plan.resources.forEach((resource, at) => {
    const label = plain(`${words[resource.action]} ${resource.kind} ${resource.name}, step ${resource.step}`);
    button(document.getElementById(`r${at}`), label, () => choose(at));
  });
  // A step as one card, for looking from afar.
  const steps = new Map();
  for (const resource of plan.resources) {
    if (!steps.has(resource.step)) steps.set(resource.step, []);
    steps.get(resource.step).push(resource);
  }
  const SVG = "http://www.w3.org/2000/svg";
  for (const box of svg.querySelectorAll(".step")) {
    button(box, box.querySelector("title").textContent, () => chooseStep(box));
    const frame = box.querySelector(".frame"), name = box.querySelector(".name").textContent;
    const inside = steps.get(name) || [];
    const counts = Object.entries(counted(inside)).map(([action, count]) => [action, `${words[action]} ${count}  `]);
    const lines = [name, `${inside.length} resource${inside.length === 1 ? "" : "s"}`, counts.map(([, text]) => text).join("").trimEnd()];
    const [left, top, width, height] = ["x", "y", "width", "height"].map(of => frame[of].baseVal.value);
    const longest = Math.max(...lines.map(line => line.length), 1);
    const size = Math.min(height / 5, width * 0.9 / (longest * 0.6), 400);
    const card = box.appendChild(document.createElementNS(SVG, "g"));
    card.setAttribute("class", "card");
    lines.forEach((line, at) => {
      const text = card.appendChild(document.createElementNS(SVG, "text"));
      text.setAttribute("x", left + width / 2);
      text.setAttribute("y", top + height / 2 + (at - 0.7) * size * 1.3);
      text.style.fontSize = `${at ? size * 0.8 : size}px`;
      if (at < 2) { text.textContent = line; return; }
      for (const [action, count] of counts) {
        const part = text.appendChild(document.createElementNS(SVG, "tspan"));
        part.setAttribute("class", `is-${action}`);
        part.textContent = count;
      }
    });
  }
  const near = box => {
    const place = box.getBoundingClientRect();
    const factor = Math.min(view.clientWidth / place.width, view.clientHeight / place.height) * 0.9;
    zoom(Math.max(factor, FAR * 1.1 / scale), place.left + place.width / 2, place.top + place.height / 2);
    x += view.clientWidth / 2 - (place.left + place.width / 2);
    y += view.clientHeight / 2 - (place.top + place.height / 2);
    show();
  };
  view.addEventListener("click", event => {
    if (moved > 4) return;
    const box = event.target.closest(".resource"), step = event.target.closest(".step");
    if (box) choose(Number(box.id.slice(1)));
    else if (step) {
      if (svg.classList.contains("far")) near(step);
      chooseStep(step);
    } else leave();
  });

  // Search and filter.
  const search = document.getElementById("search"), found = document.getElementById("found");
  const chips = document.getElementById("actions");
  const off = new Set();
  let hits = [], last = -1;
  const filter = () => {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    hits = [];
    plan.resources.forEach((resource, at) => {
      const text = `${resource.address} ${resource.action}`.toLowerCase();
      const hit = !off.has(resource.action) && wanted.every(word => text.includes(word));
      if (hit) hits.push(at);
      document.getElementById(`r${at}`).classList.toggle("hit", hit);
    });
    const on = wanted.length > 0 || off.size > 0;
    svg.classList.toggle("filtering", on);
    found.textContent = on ? `${hits.length} of ${plan.resources.length}` : "";
    last = -1;
  };
  search.addEventListener("input", filter);
  search.addEventListener("keydown", event => {
    if (event.key !== "Enter" || !hits.length) return;
    last = (last + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    if (scale < FAR) zoom(FAR * 2 / scale);
    choose(hits[last]);
  });
  for (const [action, count] of Object.entries(counted(plan.resources))) {
    const chip = add(chips, "button", `${words[action]} ${count}`, `chip is-${action}`);
    chip.setAttribute("aria-pressed", "true");
    chip.onclick = () => {
      const is = off.delete(action) || !off.add(action);
      chip.setAttribute("aria-pressed", String(is));
      filter();
    };
  }

  // Keys: from a chosen resource along its dependencies, and for the whole picture.
  const chosen = () => {
    const box = svg.querySelector(".resource.chosen");
    return box ? Number(box.id.slice(1)) : -1;
  };
  const keys = {
    ArrowLeft: at => plan.resources[at].depends_on.map(other => numbers.get(other)).find(other => other !== undefined),
    ArrowRight: at => needed[at][0],
    ArrowUp: at => (at + plan.resources.length - 1) % plan.resources.length,
    ArrowDown: at => (at + 1) % plan.resources.length,
  };
  window.addEventListener("keydown", event => {
    if (event.key === "Escape") { search.value = ""; filter(); return leave(); }
    if (event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); return search.focus(); }
    if (event.key === "+" || event.key === "=") return zoom(1.25);
    if (event.key === "-") return zoom(0.8);
    if (event.key === "0") return fit();
    if (!keys[event.key] || !plan.resources.length || event.target.closest("#panel")) return;
    event.preventDefault();
    const at = chosen(), next = at < 0 ? 0 : keys[event.key](at);
    if (next === undefined) return;
    choose(next);
    document.getElementById(`r${next}`).focus({ preventScroll: true });
  });

  const asked = /^#([rs])(\d+)$/.exec(location.hash), at = asked && document.getElementById(asked[0].slice(1));
  if (at) asked[1] === "r" ? choose(Number(asked[2])) : chooseStep(at);
  fit();
  const again = resource => { if (!panel.hidden && chosen() === numbers.get(resource)) fill(chosen()); };
  return { plan, steps, numbers, add, plain, choose, fit, more, again };
})();
