/**
 * The dashboard on Workers: an isolate sees some of the traffic for some of the time, so a chart of its own would say little.
 * The page shows what holds for all of them, as the other admin pages tell it, and a Worker carries no more than that.
 */

import { GatewayError } from "../../errors.ts";
import { escapeHtml, pageResponse } from "../../../core/page-response.ts";

const PAGES = ["health", "routes", "policies", "stores", "upstreams", "events", "config", "metrics"];

/** `nonce` lets the page's own style and script run, and nothing else. */
export function dashboardPage(gatewayName: string, nonce: string): Response {
  const name = escapeHtml(gatewayName);
  return pageResponse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${name}</title><style nonce="${nonce}">body{font:14px system-ui;margin:2em}pre{font-size:12px;overflow:auto}</style></head>
<body><h1>${name}</h1><p>One isolate of this Worker, as of now.</p><nav>${PAGES.map((page) => `<a href="#${page}">${page}</a> `).join("")}</nav><h2 id="title"></h2><pre id="text"></pre>
<script nonce="${nonce}">const show=async()=>{const page=location.hash.slice(1)||"health";title.textContent=page;try{text.textContent=await(await fetch(encodeURIComponent(page))).text()}catch(error){text.textContent=error}};addEventListener("hashchange",show);show()</script></body></html>`, nonce);
}

export function streamStats(): Response {
  throw new GatewayError(404, "not_found", "There is no feed on Workers: an isolate's figures say little of the others");
}
