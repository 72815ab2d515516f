/** Why a conditional write was not made, for callers that are shown the entry and for those that are not. */
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { EntrySchema } from '#gen/walnut/v1/types_pb.ts';
import { unmetReason } from '../../cmd/walnut/keys/unmet-condition.ts';

const SHOWN = create(EntrySchema, { key: 'k', version: { epoch: 7n, lsn: 1n } });

it.each([
  ['ifAbsent', SHOWN, false, 'has version 7-1'],
  ['ifVersion', SHOWN, false, 'has version 7-1'],
  ['ifPresent', undefined, false, 'is missing'],
  [undefined, undefined, false, 'is missing'],
  ['ifAbsent', undefined, false, 'is there, with a version that you may not read'],
  ['ifVersion', undefined, false, 'is missing, or has another version, which you may not read'],
  ['ifAbsent', undefined, true, 'is there, with a version that is not known any more'],
  ['ifVersion', undefined, true, 'is missing, or has another version, which is not known any more'],
])('%s, with %o, repeated %s: %s', (condition, current, repeated, why) => {
  expect(unmetReason({ condition, current, repeated })).toBe(why);
});
