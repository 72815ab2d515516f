/** The short form of `npm run test:torture -- --only damage`: two logs, a part of the bytes and bits. */
import { expect, it } from 'vitest';
import { createDamageCounts, damageEverywhere } from './damage-matrix.ts';

it('cuts and flipped bits in logs of any layout have the predicted verdict and no wrong values', {
  timeout: 120_000,
}, async () => {
  const counts = createDamageCounts();
  for (const seed of [1, 2, 3, 4]) await damageEverywhere(seed, 13, counts);
  expect(counts.cuts).toBeGreaterThan(1_000);
  expect(counts.flips).toBeGreaterThan(10_000);
  for (const verdict of ['corrupt', 'torn', 'whole'] as const)
    expect(counts[verdict], verdict).toBeGreaterThan(10);
});
