/** Converts HotKeys between protobuf and the model. Pure; bad input throws `invalid_argument`. */
import type { HotKeysRequest, HotKeysResponse } from '#gen/walnut/v1/admin_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import {
  HOT_KEYS_LIMIT_DEFAULT,
  HOT_KEYS_LIMIT_MAX,
  HOT_KEYS_MS_DEFAULT,
  HOT_KEYS_MS_MAX,
  type HotKeysAnswer,
  type HotKeysCommand,
} from '#model/hot-keys.ts';

export function toHotKeys({ durationMs, limit }: HotKeysRequest): HotKeysCommand {
  if (durationMs > HOT_KEYS_MS_MAX)
    throw invalidArgument(`duration_ms is ${durationMs}: expected at most ${HOT_KEYS_MS_MAX}`);
  if (limit > HOT_KEYS_LIMIT_MAX)
    throw invalidArgument(`limit is ${limit}: expected at most ${HOT_KEYS_LIMIT_MAX}`);
  return { durationMs: durationMs || HOT_KEYS_MS_DEFAULT, limit: limit || HOT_KEYS_LIMIT_DEFAULT };
}

export function fromHotKeys(answer: HotKeysAnswer): HotKeysResponse {
  const { keys, looks, accesses, durationMs, distinct } = answer;
  return {
    $typeName: 'walnut.v1.HotKeysResponse',
    keys: keys.map((each) => ({ $typeName: 'walnut.v1.HotKey', ...each })),
    looks,
    accesses: BigInt(accesses),
    durationMs,
    distinct,
  };
}
