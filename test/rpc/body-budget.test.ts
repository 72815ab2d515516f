import { expect, it } from 'vitest';
import { createBodyBudget } from '#rpc/body-budget.ts';

it('refuses what is over the budget, but never one body that is alone', () => {
  const seen: number[] = [];
  const budget = createBodyBudget(100, (bytes) => seen.push(bytes));
  const large = budget.reserve();
  large.add(90);
  large.add(70);
  expect(budget.heldBytes()).toBe(160);
  const other = budget.reserve();
  expect(() => other.add(1)).toThrow('at most 100 at once: try again');
  large.release();
  other.add(60);
  const third = budget.reserve();
  expect(() => third.add(41)).toThrow('60 bytes');
  expect(() => other.add(41)).not.toThrow();
  other.release();
  third.add(100);
  third.release();
  expect(budget.heldBytes()).toBe(0);
  expect(seen).toEqual([90, 70, 60, 41, 100]);
});
