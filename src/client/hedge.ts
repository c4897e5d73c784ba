/** Further requests beside a silent one: the first acceptable answer wins, the others are aborted. */

import type { Answer } from "./answer.ts";
import type { Call } from "./call.ts";
import { StitchError } from "./errors.ts";
import type { Passage } from "./gates.ts";
import { Scope } from "./scope.ts";

/** How a try beside others differs: it has its turn, and somebody watches it. */
export interface HedgeTry {
  readonly passage: Passage | undefined;
  readonly scope: Scope;
  readonly onHeaders: () => void;
  /** Whether its circuit permit is a probe: then no other is sent. */
  probing: boolean;
}

interface Racer extends HedgeTry {
  answered: boolean;
}

/**
 * Runs tries until one is acceptable. Another leaves after every `delayMs` in which no header came, at most `max`; `admit` gives it its
 * turn, or nothing where there is none. When all have failed, the first failure or bad answer is the outcome.
 */
export function runHedged(call: Call, delayMs: number, max: number, run: (hedge: HedgeTry) => Promise<Answer>, admit: () => Promise<Passage | undefined>): Promise<Answer> {
  const { clock, deadlines } = call.runtime;
  return new Promise<Answer>((resolve, reject) => {
    const racers: Racer[] = [];
    let timer: unknown;
    let running = 0;
    let over = false;
    let first: { answer?: Answer; error?: unknown } | undefined;

    const finish = (): void => {
      over = true;
      clock.clearTimeout(timer);
    };
    const lose = (winner: Racer): void => {
      for (const racer of racers) {
        if (racer !== winner) racer.scope.cancel(new StitchError("ABORTED", "another request of the same call answered first"));
        racer.scope.end();
      }
    };
    const arm = (): void => {
      if (over || racers.length > max) return;
      timer = clock.setTimeout(() => void hedge(), delayMs, true);
    };
    const hedge = async (): Promise<void> => {
      if (over || racers.some((racer) => racer.answered || racer.probing)) return;
      const passage = await admit().catch(() => undefined);
      if (over || passage === undefined) {
        passage?.undo();
        return;
      }
      call.emit({ type: "progress", phase: "hedge", delayMs });
      start(passage);
      arm();
    };
    const start = (passage: Passage | undefined): void => {
      const racer: Racer = {
        passage, probing: false, answered: false,
        scope: new Scope(deadlines, clock, () => call.timeout("attempt"), call.scope),
        onHeaders: () => {
          racer.answered = true;
        },
      };
      racers.push(racer);
      running++;
      run(racer).then(
        (answer) => {
          running--;
          if (over) {
            void answer.discard();
            return;
          }
          if (call.plan.accept(answer.status) || running === 0) {
            if (first?.answer !== undefined) void first.answer.discard();
            finish();
            resolve(answer);
            lose(racer);
          } else first ??= { answer };
        },
        (error: unknown) => {
          running--;
          if (over) return;
          first ??= { error };
          if (running > 0) return;
          finish();
          lose(racer);
          if (first.answer !== undefined) resolve(first.answer);
          else reject(first.error);
        },
      );
    };
    start(undefined);
    arm();
  });
}
