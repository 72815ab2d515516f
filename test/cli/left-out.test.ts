/** How the tool shows answers that leave out what is stored, because the user may not read the key. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  DeleteResponseSchema,
  IncrementResponseSchema,
  SetResponseSchema,
  TouchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { incrementToJson, touchToJson, writeToJson } from '../../cmd/walnut/keys/answer-json.ts';
import { describeSum, describeTouched, UNSEEN } from '../../cmd/walnut/keys/left-out.ts';

describe('a sum', () => {
  it.each([
    [{ applied: true, value: 7n }, '7', { value: '7', expireAtMs: 0 }],
    [{ applied: true, leftOut: true }, UNSEEN, { leftOut: true }],
    [{ applied: true, value: 7n, repeated: true }, '7', { value: '7', repeated: true }],
  ])('is shown as it is known: %#', (fields, text, json) => {
    const response = create(IncrementResponseSchema, fields);
    const receipt = { durabilityReached: 'unspecified', replicasAcked: 0, position: expect.anything() };
    expect(describeSum(response)).toBe(text);
    expect(incrementToJson('k', response)).toEqual({ key: 'k', applied: true, ...receipt, ...json });
  });
});

describe('a new deadline', () => {
  it.each([
    [{ touched: true }, 'never', { expireAtMs: 0 }],
    [{ touched: true, leftOut: true }, UNSEEN, { leftOut: true }],
    [{ touched: true, repeated: true }, 'never, or at a time that is not known any more', { repeated: true }],
    [
      { touched: true, repeated: true, expireAtMs: 1_000n },
      '1970-01-01T00:00:01.000Z',
      { repeated: true, expireAtMs: 1_000 },
    ],
  ])('is shown as it is known: %#', (fields, text, json) => {
    const response = create(TouchResponseSchema, fields);
    const receipt = { durabilityReached: 'unspecified', replicasAcked: 0, position: expect.anything() };
    expect(describeTouched(response)).toBe(text);
    expect(touchToJson('k', response)).toEqual({ key: 'k', touched: true, ...receipt, ...json });
  });
});

it('an entry that was there is said to be left out, too', () => {
  for (const schema of [SetResponseSchema, DeleteResponseSchema])
    expect(writeToJson('k', create(schema, { leftOut: true }))).toMatchObject({ leftOut: true });
});
