/** The page: it needs nothing from elsewhere, builds nodes and sets text, so that nothing a client is called becomes markup. */

import { pageResponse } from "../../core/page-response.ts";
import { STYLE } from "../../core/page-style.ts";

const OWN_STYLE = `.k-in{background:var(--info)}.k-out{background:var(--ok)}form{display:flex;gap:8px;flex-wrap:wrap}input,select,button{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:8px;padding:6px 10px;min-width:0}form input.grow{flex:1 1 220px}button{cursor:pointer;font-weight:600}#clients td,#topics td,#frames td,#errors td{white-space:nowrap;width:auto;padding-right:14px}#clients th,#topics th{padding-right:14px}#clients :is(td,th):last-child,#topics :is(td,th):last-child{padding-right:0}#frames td:last-child,#errors td:last-child{white-space:normal;overflow-wrap:anywhere;min-width:160px}#said{margin-top:8px}`;

const SCRIPT = String.raw`
"use strict";
const $ = (id) => document.getElementById(id);
const el = (tag, cls, text) => { const node = document.createElement(tag); if (cls) node.className = cls; if (text !== undefined) node.textContent = text; return node; };
const whole = (n) => Math.round(n).toLocaleString("en-US");
const rate = (n) => n >= 100 ? whole(n) : n.toFixed(1);
const size = (n) => n >= 1e6 ? (n / 1e6).toFixed(1) + " MB" : n >= 1e3 ? (n / 1e3).toFixed(1) + " KB" : n + " B";
const span = (ms) => ms >= 3.6e6 ? (ms / 3.6e6).toFixed(1) + " h" : ms >= 6e4 ? (ms / 6e4).toFixed(1) + " min" : (ms / 1e3).toFixed(0) + " s";
const time = (at) => new Date(at).toLocaleTimeString();
const unit = (id, text, small) => { $(id).replaceChildren(document.createTextNode(text)); if (small) $(id).append(el("small", "", small)); };
const row = (cells) => { const tr = el("tr"); for (const [value, cls] of cells) { const td = el("td", cls); if (value instanceof Node) td.append(value); else td.textContent = value; tr.append(td); } return tr; };
const code = (text) => el("code", "", text);
const short = (id) => { const node = code(id.slice(0, 8)); node.title = id; return node; };
const rows = (id, list, empty) => $(id).replaceChildren(...(list.length ? list : [row([[empty, "mute"]])]));
function chart(seconds) {
  const W = 1000, H = 210, base = H - 22, top = 14, ns = "http://www.w3.org/2000/svg";
  const peak = Math.max(1, ...seconds.map((s) => Math.max(s.received, s.sent + s.delivered)));
  const make = (tag, attrs) => { const node = document.createElementNS(ns, tag); for (const k in attrs) node.setAttribute(k, attrs[k]); return node; };
  const nodes = [0, .5, 1].map((share) => { const y = base - share * (base - top); return make("line", { x1: 0, x2: W, y1: y, y2: y, stroke: "var(--line)", "vector-effect": "non-scaling-stroke" }); });
  const slot = W / 60, left = W - seconds.length * slot;
  seconds.forEach((s, i) => [[s.received, "info", 1], [s.sent + s.delivered, "ok", slot / 2]].forEach(([n, color, x]) => {
    const h = n / peak * (base - top);
    if (h > 0) nodes.push(make("rect", { x: (left + i * slot + x).toFixed(1), y: (base - h).toFixed(1), width: (slot / 2 - 1).toFixed(1), height: h.toFixed(1), fill: "var(--" + color + ")" }));
  }));
  $("chart").setAttribute("viewBox", "0 0 " + W + " " + H);
  $("chart").replaceChildren(...nodes);
  $("max").textContent = "peak " + whole(peak) + " per second";
}
function show(v) {
  document.title = whole(v.connections) + " connections";
  $("clock").textContent = time(v.now);
  unit("open", whole(v.connections)); unit("topicn", whole(v.topicCount)); unit("in", rate(v.perSecond.received), "/s"); unit("out", rate(v.perSecond.sent + v.perSecond.delivered), "/s"); unit("slow", whole(v.slow)); unit("drop", rate(v.perSecond.dropped), "/s");
  $("slow").style.color = v.slow ? "var(--warn)" : ""; $("drop").style.color = v.perSecond.dropped ? "var(--bad)" : "";
  chart(v.seconds);
  rows("topics", v.topics.map((t) => { const pick = code(t.topic); pick.onclick = () => { $("topic").value = t.topic; }; return row([[pick], [whole(t.subscribers), "n"], [whole(t.published), "n"]]); }), "Nobody listens to anything");
  rows("clients", v.clients.map((c) => {
    const bar = el("div", "bar"), fill = el("i"); bar.style.width = "72px"; fill.style.width = Math.min(100, 100 * c.bufferedBytes / v.markBytes) + "%"; fill.style.background = "var(--" + (c.dropped ? "bad" : c.slow ? "warn" : "ok") + ")"; bar.append(fill);
    return row([[short(c.clientId)], [code(c.ip || "")], [span(c.forMs), "n hide"], [whole(c.topics), "n"], [whole(c.pending), "n"], [size(c.bufferedBytes), "n"], [bar, "hide"], [el("span", c.dropped ? "state bad" : "mute", whole(c.dropped)), "n"]]);
  }), "Nobody is connected");
  const kind = { in: "info", out: "ok", publish: "ok", payload: "mute" };
  rows("frames", v.frames.map((f) => row([[time(f.at), "mute"], [el("span", "state " + kind[f.what], f.what)], [code(f.type)], [short(f.clientId)], [f.detail, "mute"]])), "Nothing since this page was opened");
  rows("errors", v.errors.map((e) => row([[time(e.at), "mute"], [el("span", "state " + (/^[A-Z]/.test(e.what) ? "bad" : "warn"), e.what)], [code(e.type)], [short(e.clientId)], [e.detail, "mute"]])), "Nothing failed since this page was opened");
  $("limits").textContent = Object.entries(v.limits).map(([name, n]) => name + " " + whole(n)).join(" · ");
}
const live = (kind, text) => { $("dot").className = "dot " + kind; $("live").textContent = text; };
let last = 0;
const source = new EventSource("stream");
source.onmessage = (event) => { last = Date.now(); live("ok", "live"); show(JSON.parse(event.data)); };
source.onerror = () => live("bad", "connection lost, trying again");
setInterval(() => { if (last && Date.now() - last > 5000) live("bad", "no news for " + Math.round((Date.now() - last) / 1000) + " s"); }, 1000);
const say = (text) => { $("said").textContent = text; };
fetch("messages").then((answer) => answer.json()).then((types) => {
  $("type").replaceChildren(...types.map((type) => { const option = el("option", "", type); option.value = type; return option; }));
});
$("send").onsubmit = async (event) => {
  event.preventDefault();
  let payload;
  try { payload = $("body").value.trim() === "" ? undefined : JSON.parse($("body").value); } catch (error) { return say("The payload is no JSON: " + error.message); }
  const answer = await fetch("publish", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ topic: $("topic").value, type: $("type").value, payload }) });
  say(await answer.text());
};
$("replay").onclick = async () => {
  const answer = await fetch("history?topic=" + encodeURIComponent($("topic").value));
  if (!answer.ok) return say(await answer.text());
  const entries = await answer.json();
  if (!entries.length) return say("This topic has no history");
  const { type, payload, offset } = entries[entries.length - 1];
  $("type").value = type; $("body").value = payload === undefined ? "" : JSON.stringify(payload);
  say("The newest of " + entries.length + ", " + offset + ", is ready to be published once more");
};
`;

const figure = (id: string, label: string): string => `<section class="card w2"><div class="lbl">${label}</div><div class="fig" id="${id}">–</div></section>`;
const table = (id: string, title: string, heads: string, width: string): string => `<section class="card ${width}"><h2>${title}</h2><div class="scroll"><table>${heads === "" ? "" : `<thead><tr>${heads}</tr></thead>`}<tbody id="${id}"></tbody></table></div></section>`;
const head = (names: string): string => names.split(",").map((name) => `<th${name.endsWith("#") ? ` class="n"` : name.endsWith("~") ? ` class="n hide"` : ""}>${name.replace(/[#~]/, "")}</th>`).join("");

export function devtoolsPage(nonce: string): Response {
  return pageResponse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Sockets</title><link rel="icon" href="data:,"><style nonce="${nonce}">${STYLE}${OWN_STYLE}</style></head>
<body><header><h1>Sockets</h1><span class="live"><i class="dot" id="dot"></i><span id="live">connecting</span></span><span class="push" id="clock"></span></header>
<main>
${figure("open", "Connections")}${figure("topicn", "Topics")}${figure("in", "Received")}${figure("out", "Sent and delivered")}${figure("slow", "Slow consumers")}${figure("drop", "Dropped")}
<section class="card w8"><h2>Last minute</h2><svg class="chart" id="chart" preserveAspectRatio="none" role="img" aria-label="Messages per second"></svg>
<div class="legend"><span><i class="k-in"></i>received</span><span><i class="k-out"></i>sent and delivered</span><span id="limits"></span><span class="push" id="max"></span></div></section>
${table("topics", "Topics", head("Topic,Subscribers#,Published#"), "w4")}
${table("clients", "Connections", head("Client,Address,Open~,Topics#,Pending#,Waiting#,~,Dropped#"), "w12")}
<section class="card w12"><h2>Publish</h2><form id="send"><input id="topic" placeholder="topic" aria-label="Topic" required><select id="type" aria-label="Type"></select><input id="body" class="grow" placeholder="payload as JSON" aria-label="Payload"><button>Publish</button><button type="button" id="replay">Take the newest of the history</button></form><div class="mute" id="said"></div></section>
${table("frames", "Latest frames", "", "w6")}${table("errors", "Latest failures", "", "w6")}
</main><script nonce="${nonce}">${SCRIPT}</script></body></html>`, nonce);
}
