/** Converts the slow log between protobuf and the model. */
import type { GetSlowLogResponse, SlowCall as SlowCallMessage } from '#gen/walnut/v1/admin_pb.ts';
import type { SlowCall, SlowLogAnswer } from '#model/slow-call.ts';

const US_PER_MS = 1_000;

export function fromSlowLog(answer: SlowLogAnswer): GetSlowLogResponse {
  return {
    $typeName: 'walnut.v1.GetSlowLogResponse',
    calls: answer.calls.map(fromSlowCall),
    thresholdMs: BigInt(answer.thresholdMs),
    maxEntries: answer.entriesMax,
    total: BigInt(answer.total),
  };
}

function fromSlowCall(call: SlowCall): SlowCallMessage {
  return {
    $typeName: 'walnut.v1.SlowCall',
    id: BigInt(call.id),
    endedAtMs: BigInt(call.endedAtMs),
    operation: call.operation,
    key: call.key,
    code: call.code,
    durationUs: BigInt(Math.round(call.durationMs * US_PER_MS)),
    user: call.user,
    from: call.from,
  };
}
