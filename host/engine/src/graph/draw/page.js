"use strict";
(() => {
  const plan = JSON.parse(document.getElementById("plan").textContent);
  const view = document.getElementById("view");
  const svg = view.querySelector("svg");
  const panel = document.getElementById("panel");
  const size = svg.viewBox.baseVal;

  // Pan and zoom.
  let x = 0, y = 0, scale = 1;
  const show = () => { svg.style.transform = `translate(${x}px,${y}px) scale(${scale})`; };
  const fit = () => {
    const room = view.clientWidth - (panel.hidden || view.clientWidth < 900 ? 0 : panel.offsetWidth);
    scale = Math.min(room / size.width, view.clientHeight / size.height, 1.5);
    x = Math.max(0, (room - size.width * scale) / 2);
    y = Math.max(0, (view.clientHeight - size.height * scale) / 2);
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

  const fill = at => {
    const resource = plan.resources[at];
    panel.replaceChildren();
    const close = add(panel, "button", "×");
    close.id = "close";
    close.setAttribute("aria-label", "Close");
    close.onclick = leave;
    add(panel, "h1", plain(resource.name));
    add(panel, "p", plain(`${resource.kind} in step ${resource.step}`), "where");
    add(panel, "span", words[resource.action], `action is-${resource.action}`);
    if (resource.interrupts) add(panel, "p", plain(`! ${resource.interrupts}`), "interrupts");
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
    add(panel, "h2", resource.action === "delete" ? "Spec in the state" : "Declared spec");
    add(panel, "pre", value(resource.spec));
    links("Comes after", resource.depends_on.filter(other => numbers.has(other)).map(other => numbers.get(other)));
    links("Comes before", needed[at]);
    panel.hidden = false;
    panel.scrollTop = 0;
  };

  const bringIntoView = box => {
    const room = view.clientWidth - (view.clientWidth < 900 ? 0 : panel.offsetWidth);
    if (box.left < 0 || box.right > room) x += room / 2 - (box.left + box.right) / 2;
    if (box.top < 0 || box.bottom > view.clientHeight) y += view.clientHeight / 2 - (box.top + box.bottom) / 2;
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
  const leave = () => {
    clear();
    panel.hidden = true;
    history.replaceState(null, "", location.pathname + location.search);
  };

  plan.resources.forEach((resource, at) => {
    const box = document.getElementById(`r${at}`);
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(at);
    });
  });
  view.addEventListener("click", event => {
    if (moved > 4) return;
    const box = event.target.closest(".resource");
    if (box) choose(Number(box.id.slice(1)));
    else leave();
  });
  window.addEventListener("keydown", event => { if (event.key === "Escape") leave(); });

  const asked = /^#r(\d+)$/.exec(location.hash);
  if (asked && plan.resources[asked[1]]) choose(Number(asked[1]));
  fit();
})();
