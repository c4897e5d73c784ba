import fc from "fast-check";
import { expect, test } from "vitest";
import { createSlots } from "./slots.ts";

test("holds what was added and not removed, in bounded room", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat({ max: 20 })), { maxLength: 200 }), (steps) => {
      const slots = createSlots<{ id: number }>();
      const model = new Map<number, { id: number }>();
      let most = 0;
      steps.forEach((remove, id) => {
        if (remove === null) {
          const item = { id };
          model.set(slots.add(item), item);
        } else {
          slots.remove(remove);
          model.delete(remove);
        }
        most = Math.max(most, model.size);
        expect(slots.size).toBe(model.size);
        expect(new Set(slots.items())).toEqual(new Set(model.values()));
        for (const place of model.keys()) expect(place).toBeLessThan(most);
      });
    }),
  );
});
