/**
 * Why a conditional write was not made, from its condition and the entry that the answer
 * shows. The answer shows none where the key is missing, where the caller may not read it,
 * and where the write was carried out before and its master does not know more. Pure.
 */
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { showPosition } from '../output/output.ts';

export interface UnmetCondition {
  /** Undefined: the write needed the key to be there. */
  readonly condition: string | undefined;
  readonly current: Entry | undefined;
  readonly repeated: boolean;
}

/** Goes on after the name of the key. */
export function unmetReason({ condition, current, repeated }: UnmetCondition): string {
  if (current !== undefined) return `has version ${showPosition(current.version)}`;
  const hidden = repeated ? 'is not known any more' : 'you may not read';
  if (condition === 'ifAbsent') return `is there, with a version that ${hidden}`;
  if (condition === 'ifVersion') return `is missing, or has another version, which ${hidden}`;
  return 'is missing';
}
