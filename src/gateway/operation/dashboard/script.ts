/** The dashboard's own code. It builds nodes and sets text: nothing a route or key is called becomes markup. */

export const SCRIPT: string = String.raw`
"use strict";
const $ = (id) => document.getElementById(id);
const el = (tag, cls, text) => { const node = document.createElement(tag); if (cls) node.className = cls; if (text !== undefined) node.textContent = text; return node; };
const fill = (id, nodes) => $(id).replaceChildren(...(nodes.length ? nodes : [el("div", "empty", $(id).dataset.empty || "None")]));
const whole = (n) => n.toLocaleString("en-US");
const ms = (n) => n === null ? "–" : n >= 1000 ? (n / 1000).toFixed(n >= 10000 ? 0 : 1) + " s" : n >= 10 ? n.toFixed(0) + " ms" : n.toFixed(1) + " ms";
const unit = (id, text, small) => { $(id).replaceChildren(document.createTextNode(text)); if (small) $(id).append(el("small", "", small)); };
const split = (id, n) => { const [value, mark] = ms(n).split(" "); unit(id, value, mark); };
const row = (cells) => { const tr = el("tr"); for (const [value, cls] of cells) { const td = el("td", cls); if (value instanceof Node) td.append(value); else td.textContent = value; tr.append(td); } return tr; };
const code = (text) => el("code", "", text);
const state = (text, kind) => { const node = el("span", "live"); node.append(el("i", "dot " + kind), el("span", "state " + kind, text)); return node; };
const bar = (parts) => { const total = parts.reduce((sum, [n]) => sum + n, 0); const node = el("div", "bar"); for (const [n, color] of parts) { const i = el("i"); i.style.width = (total ? 100 * n / total : 0) + "%"; i.style.background = "var(--" + color + ")"; node.append(i); } return node; };

const CLASSES = [["ok", "ok"], ["redirect", "info"], ["client", "warn"], ["server", "bad"]];
function chart(seconds) {
  const W = 1000, H = 210, base = H - 22, top = 14;
  const peak = Math.max(1, ...seconds.map((s) => CLASSES.reduce((sum, [k]) => sum + s[k], 0)));
  const step = Math.pow(10, Math.floor(Math.log10(peak)));
  const max = Math.ceil(peak / step * 2) / 2 * step;
  const svg = $("chart"), ns = "http://www.w3.org/2000/svg";
  const make = (tag, attrs) => { const node = document.createElementNS(ns, tag); for (const k in attrs) node.setAttribute(k, attrs[k]); return node; };
  const nodes = [];
  for (const share of [0, .5, 1]) {
    const y = base - share * (base - top);
    nodes.push(make("line", { x1: 0, x2: W, y1: y, y2: y, stroke: "var(--line)", "vector-effect": "non-scaling-stroke" }));
  }
  const slot = W / seconds.length;
  seconds.forEach((second, i) => {
    let y = base;
    for (const [key, color] of CLASSES) {
      const h = second[key] / max * (base - top);
      if (h <= 0) continue;
      y -= h;
      nodes.push(make("rect", { x: (i * slot + 1).toFixed(1), y: y.toFixed(1), width: (slot - 2).toFixed(1), height: h.toFixed(1), fill: "var(--" + color + ")" }));
    }
  });
  svg.setAttribute("viewBox", "0 0 " + W + " " + H);
  svg.replaceChildren(...nodes);
  $("max").textContent = "peak " + whole(peak) + " per second, scale to " + whole(max);
}

function show(v) {
  $("name").textContent = v.gateway;
  document.title = v.gateway + " · " + v.perSecond.toFixed(1) + "/s";
  $("clock").textContent = new Date(v.now).toLocaleTimeString();
  unit("rps", v.perSecond >= 100 ? whole(Math.round(v.perSecond)) : v.perSecond.toFixed(1), "/s");
  split("p50", v.p50); split("p95", v.p95); split("p99", v.p99);
  unit("flight", whole(Math.max(0, v.inFlight - 1)));
  const all = v.seconds.reduce((sum, s) => sum + s.ok + s.redirect + s.client + s.server, 0);
  const bad = v.seconds.reduce((sum, s) => sum + s.server, 0);
  unit("err", all ? (100 * bad / all).toFixed(bad && bad / all < .1 ? 2 : 0) : "0", "%");
  $("err").style.color = bad ? "var(--bad)" : "";
  chart(v.seconds);

  const figures = new Map(v.routes.map((r) => [r.route, r]));
  const known = v.registry.map((r) => ({ ...r, ...(figures.get(r.path) || { requests: 0, errors: 0, p95: null }) }));
  const rest = v.routes.filter((r) => !v.registry.some((k) => k.path === r.route)).map((r) => ({ path: r.route === "*" ? "no route" : r.route, methods: [], policies: [], upstream: "", ...r }));
  $("routes").replaceChildren(...[...known, ...rest].sort((a, b) => b.requests - a.requests).map((r) => {
    const chips = el("div", "chips"); for (const p of r.policies) chips.append(el("span", "chip", p));
    const errors = el("span", r.errors ? "state bad" : "mute", whole(r.errors));
    return row([[code(r.path)], [r.methods.length > 3 ? "all" : r.methods.join(" "), "mute hide"], [chips, "hide"], [code(r.upstream), "mute hide"], [whole(r.requests), "n"], [errors, "n"], [ms(r.p95), "n"]]);
  }));

  fill("limits", v.limits.map(({ policy, counts: c }) => {
    const allow = c.allow || 0, refuse = c.refuse || 0, local = (c["local-allow"] || 0) + (c["local-refuse"] || 0);
    const item = el("div", "item"), head = el("div", "row");
    head.append(code(policy), el("span", "mute", whole(allow) + " through, " + whole(refuse) + " refused" + (local ? ", " + whole(local) + " local" : "")));
    item.append(head, bar([[allow, "ok"], [refuse, "bad"], [local, "warn"]]));
    return item;
  }));

  const c = v.cache, hits = (c.HIT || 0) + (c.STALE || 0) + (c.REVALIDATED || 0), asked = Object.values(c).reduce((a, b) => a + b, 0);
  if (asked) {
    const item = el("div", "item"), head = el("div", "row"), fig = el("div", "fig", Math.round(100 * hits / asked) + "");
    fig.append(el("small", "", "% from store"));
    head.append(fig);
    item.append(head, bar([[hits, "ok"], [c.MISS || 0, "info"], [(c.BYPASS || 0) + (c.SKIP || 0), "warn"]]));
    item.append(el("div", "mute", Object.entries(c).map(([k, n]) => k.toLowerCase() + " " + whole(n)).join(" · ")));
    fill("cache", [item]);
  } else fill("cache", []);

  fill("circuits", v.circuits.map((one) => {
    const item = el("div", "item row");
    const kind = one.state === "closed" ? "ok" : one.state === "open" ? "bad" : "warn";
    const right = state(one.state, kind); right.append(el("span", "mute", "for " + ms(one.sinceMs)));
    item.append(code(one.key.replace(/%3a/g, ":").replace(/\n/g, " → ")), right);
    return item;
  }));

  fill("stores", v.adapterStores.map((one) => {
    const seen = v.stores.find((s) => s.store === one.store);
    const item = el("div", "item row"), left = el("div"), kind = one.state === "up" ? "ok" : one.state === "probing" ? "warn" : "bad";
    left.append(el("div", "", one.store), el("div", "mute", one.kind + (one.shared ? ", shared" : ", this process")));
    const right = el("div"); right.append(state(one.state, kind), el("div", "mute", seen ? "p95 " + ms(seen.p95) + (seen.errors ? ", " + whole(seen.errors) + " failed" : "") : "not asked"));
    item.append(left, right);
    return item;
  }));

  fill("targets", v.targets.flatMap(({ route, targets }) => targets.map((t) => {
    const item = el("div", "item row"), left = el("div");
    left.append(code(t.url), el("div", "mute", route + " · weight " + t.weight + (t.canary ? " · canary" : "") + " · " + t.pending + " pending"));
    const kind = t.weight === 0 ? "warn" : !t.healthy || t.ejected ? "bad" : "ok";
    item.append(left, state(t.weight === 0 ? "drained" : !t.healthy ? "unhealthy" : t.ejected ? "out, back in " + ms(t.returnsInMs) : "in service", kind));
    return item;
  })));

  $("errors").replaceChildren(...(v.errors.length ? v.errors.map((e) => row([[new Date(e.at).toLocaleTimeString(), "mute"], [el("span", "state " + (e.status >= 500 ? "bad" : "warn"), String(e.status))], [e.code], [code(e.route)]])) : [row([["Nothing refused and nothing failed since this page was opened", "mute"]])]));
}

const live = (kind, text) => { $("dot").className = "dot " + kind; $("live").textContent = text; };
let last = 0;
const source = new EventSource(document.body.dataset.stream);
source.onmessage = (event) => { last = Date.now(); const view = JSON.parse(event.data); live(view.closing ? "warn" : "ok", view.closing ? "closing" : "live"); show(view); };
source.onerror = () => live("bad", "connection lost, trying again");
setInterval(() => { if (last && Date.now() - last > 5000) live("bad", "no news for " + Math.round((Date.now() - last) / 1000) + " s"); }, 1000);
`;
