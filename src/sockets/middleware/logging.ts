/** A line per message. */

import { checkKeys } from "../check.ts";
import { type Logger, consoleLogger } from "../events.ts";
import type { ConnectionData, Middleware } from "../types.ts";
import { around } from "./around.ts";

export interface LoggingOptions {
  /** @default the console */
  readonly logger?: Pick<Logger, "info" | "error">;
}

/** Logs type, client and duration of each message, never its payload. */
export function logging<Data = ConnectionData>(options: LoggingOptions = {}): Middleware<Data> {
  checkKeys("logging", options, ["logger"]);
  const { logger = consoleLogger } = options;
  return (ctx, next) => {
    const line = (outcome: string): string => `${ctx.type} clientId=${ctx.clientId} ${outcome}`;
    return around(
      next,
      () => logger.info(line(`ok remaining=${Math.round(Math.min(ctx.timeRemaining(), 1e9))}ms`)),
      (error) => logger.error(line(`failed: ${error instanceof Error ? error.message : String(error)}`)),
    );
  };
}
