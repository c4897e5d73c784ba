/** What `serve` of `sluice/node` installs for the whole process: the light `Request` and `Response`. */

import { getRequestListener } from "@hono/node-server";

getRequestListener(() => new Response());
