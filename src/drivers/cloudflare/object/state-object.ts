/** What the Durable Object classes of the package have in common: records, two ways to call them, and the clean-up. */

import { decodeValue, encodeValue } from "../../../core/codec.ts";
import { OptionError } from "../../../core/errors.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import { DurableObject } from "#workers";
import type { DurableObjectStateLike } from "../types.ts";
import { Alarm } from "./alarm.ts";
import { RUN_PATH } from "./paths.ts";
import { ObjectRecords } from "./records.ts";
import { Registry } from "./registry.ts";
import { recordStorage } from "./storage.ts";
import { type WireOperation, type WireReply, toWireError } from "./wire.ts";

export class StateObject extends DurableObject {
  readonly #records: ObjectRecords;
  readonly #alarm: Alarm;

  constructor(ctx: DurableObjectStateLike, env: unknown, algorithms: readonly Algorithm[], alarmEveryMs: number) {
    super(ctx, env);
    this.#alarm = new Alarm(ctx.storage, alarmEveryMs);
    this.#records = new ObjectRecords({ storage: recordStorage(ctx.storage), registry: new Registry(new.target.name, algorithms), alarm: this.#alarm });
  }

  /** RPC: runs a batch of commands, each key atomically, and gives the replies in its shape. Called by the stores. */
  run(batch: readonly WireOperation[]): WireReply[] | Promise<WireReply[]> {
    checkBatch(batch);
    return this.#records.run(batch);
  }

  /** The same as a request, for Workers whose compatibility date or bundler leaves them without RPC. */
  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST" || new URL(request.url).pathname !== RUN_PATH) return Response.json({ error: "not found" }, { status: 404 });
    try {
      const batch = decodeValue(await request.text()) as readonly WireOperation[];
      return new Response(encodeValue(await this.run(batch)));
    } catch (error) {
      return Response.json({ error: toWireError(error) }, { status: error instanceof RangeError ? 400 : 500 });
    }
  }

  /** Called by the platform: drops what has expired, and says when to come again. It may come late, or twice. */
  async alarm(): Promise<void> {
    this.#alarm.rang();
    await this.#records.sweep(() => this.ctx.storage.deleteAll());
  }
}

function checkBatch(batch: unknown): void {
  if (!Array.isArray(batch)) throw new OptionError("batch", batch, "a list of operations");
  for (const operation of batch as Partial<WireOperation>[]) {
    if (typeof operation?.key !== "string" || !Array.isArray(operation.commands) || typeof operation.algorithm?.name !== "string") {
      throw new OptionError("batch", operation, "a list of operations, each with algorithm, key and commands");
    }
  }
}
