import { describe, expect, it } from 'vitest';
import { FormatStep } from '#engine/format-step.ts';
import { FORMAT_LEVEL, STEP_LEVEL } from '#model/formats.ts';

describe('the step of a data directory', () => {
  it.each([
    [1, 0, [true, false, false]],
    [2, 1, [true, true, false]],
  ])('of MANIFEST format %d needs readers of level %d', (format, level, allowed) => {
    const step = new FormatStep({ manifest: { format } } as never);
    expect(step.level).toBe(level);
    expect([0, 1, 2].map((each) => step.allows(each))).toEqual(allowed);
  });

  it('covers all that this program writes: a further level needs a step of its own', () => {
    expect(FORMAT_LEVEL).toBe(STEP_LEVEL);
  });
});
