/** The limits of a heartbeat: a node that has much to say must not lose its lease for it. */
import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { HeartbeatRequestSchema } from '#gen/walnut/v1/coordinator_pb.ts';
import { CONFIGURED_REPLICAS_MAX, KNOWN_REPLICAS_MAX } from '#model/limits.ts';
import { HEARTBEAT } from '#server/message-limits.ts';
import { heartbeatOf, NO_REPORT } from '#test/doubles/heartbeat.ts';
import { fromHeartbeat, toHeartbeat } from '#wire/heartbeat-codec.ts';
import { checkMessage } from '#wire/message-check.ts';

const repeated = <T>(count: number, item: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => item(i));

describe('a heartbeat with the most that it can have', () => {
  const voters = repeated(255, (i) => ({ node: `${'n'.repeat(60)}${i}`, incarnation: i }));
  const replicas = repeated(
    KNOWN_REPLICAS_MAX + CONFIGURED_REPLICAS_MAX,
    (i) => `${'h'.repeat(250)}:${8_000 + i}`,
  );
  const links = repeated(255, (i) => ({ node: `n${i}`, agoMs: 1 }));
  const report = { ...NO_REPORT, reasons: repeated(500, () => '€'.repeat(5_000)), links };
  const most = heartbeatOf('n', {
    voters,
    logVoters: voters,
    plain: { isMaster: true, replicas },
    whyNoWrites: '€'.repeat(5_000),
    report,
  });

  it('is within its limits, and is read', () => {
    const message = fromHeartbeat(most);
    const bytes = toBinary(HeartbeatRequestSchema, message);
    expect(bytes.length).toBeLessThan(HEARTBEAT.readMaxBytes);
    expect(() => checkMessage(HeartbeatRequestSchema, bytes, HEARTBEAT.fieldsMax)).not.toThrow();
    expect(toHeartbeat(message)).toMatchObject({ voters, logVoters: voters, plain: { replicas } });
  });
});
