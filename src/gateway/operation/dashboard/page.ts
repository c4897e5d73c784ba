/** The dashboard: one page that needs nothing from elsewhere. */

import { escapeHtml, pageResponse } from "../../../core/page-response.ts";
import { SCRIPT } from "./script.ts";
import { STYLE } from "../../../core/page-style.ts";

const figure = (id: string, label: string): string => `<section class="card w2"><div class="lbl">${label}</div><div class="fig" id="${id}">–</div></section>`;
const list = (id: string, title: string, empty: string, width: string): string => `<section class="card ${width}"><h2>${title}</h2><div id="${id}" data-empty="${empty}"><div class="empty">${empty}</div></div></section>`;

/** `nonce` lets the page's own style and script run, and nothing else. */
export function dashboardPage(gatewayName: string, nonce: string): Response {
  const name = escapeHtml(gatewayName);
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${name}</title><link rel="icon" href="data:,"><style nonce="${nonce}">${STYLE}</style></head>
<body data-stream="stream"><header><h1 id="name">${name}</h1><span class="live"><i class="dot" id="dot"></i><span id="live">connecting</span></span><span class="push" id="clock"></span></header>
<main>
${figure("rps", "Requests")}${figure("err", "Server errors, last minute")}${figure("p50", "p50")}${figure("p95", "p95")}${figure("p99", "p99")}${figure("flight", "In flight")}
<section class="card w8"><h2>Last minute by status</h2><svg class="chart" id="chart" preserveAspectRatio="none" role="img" aria-label="Requests per second by status class"></svg>
<div class="legend"><span><i class="k-ok"></i>2xx</span><span><i class="k-info"></i>3xx</span><span><i class="k-warn"></i>4xx</span><span><i class="k-bad"></i>5xx</span><span class="push" id="max"></span></div></section>
${list("cache", "Cache", "No request met a cache yet", "w4")}
<section class="card w12"><h2>Routes</h2><div class="scroll"><table><thead><tr><th>Path</th><th class="hide">Methods</th><th class="hide">Policies</th><th class="hide">Upstream</th><th class="n">Requests</th><th class="n">5xx</th><th class="n">p95</th></tr></thead><tbody id="routes"></tbody></table></div></section>
${list("limits", "Limits", "No limit was asked yet", "w3")}${list("circuits", "Circuits", "No circuit has moved", "w3")}${list("stores", "Stores", "Everything is kept in this process", "w3")}${list("targets", "Upstream targets", "No balanced upstream", "w3")}
<section class="card w12"><h2>Last errors</h2><div class="scroll"><table><tbody id="errors"></tbody></table></div></section>
</main><script nonce="${nonce}">${SCRIPT}</script></body></html>`;
  return pageResponse(html, nonce);
}
