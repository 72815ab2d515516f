/** What strangers send, over and over, fills nobody's log: each kind of line has a pace. */
import { describe, expect, it } from 'vitest';
import type { RegisterRequest } from '#model/replication.ts';
import { createLogger } from '#platform/create-logger.ts';
import type { Logger } from '#platform/logger.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

/** The production logger, and its lines by message. */
function countingLogger(group: TestGroup): { logger: Logger; linesOf: () => Map<string, number> } {
  const messages: string[] = [];
  const logger = createLogger({
    level: 'info',
    format: 'json',
    clock: group.clock,
    destination: {
      isTerminal: false,
      tryWrite: (bytes) => {
        for (const line of Buffer.from(bytes).toString().trimEnd().split('\n'))
          messages.push((JSON.parse(line) as { msg: string }).msg);
        return bytes.length;
      },
    },
  });
  const linesOf = (): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1);
    return counts;
  };
  return { logger, linesOf };
}

const idOf = (n: number): string => n.toString(16).padStart(32, '0');

function registrationOf(master: TestNode, n: number, changes: Partial<RegisterRequest> = {}) {
  return {
    nodeId: idOf(n),
    incarnation: `${n}`,
    advertise: `stranger-${n % 50}:1`,
    logId: master.node.status().logId,
    tail: { epoch: 0, lsn: 0 as never, crc: 0 },
    upstreamPath: [],
    applyDelayMs: 0,
    term: 0,
    ...changes,
  };
}

/** `count` calls, one each 10 ms, whatever comes of them; then some time for what they leave behind. */
async function flood(group: TestGroup, count: number, call: (n: number) => unknown): Promise<void> {
  for (let n = 1; n <= count; n++) {
    Promise.resolve()
      .then(() => call(n))
      .catch(() => undefined);
    await group.clock.advance(10);
  }
  await group.clock.advance(2_000);
}

const CALLS = 300;
/** The time of a flood takes part in two windows of ten seconds. */
const LINES_MAX = 10;

describe('the log of a node to which a stranger sends', () => {
  const master = async () => {
    const group = new TestGroup();
    const { logger, linesOf } = countingLogger(group);
    return { group, linesOf, master: await group.master({ logger }) };
  };
  const most = (lines: Map<string, number>): number => Math.max(0, ...lines.values());

  it('registrations of made-up nodes', async () => {
    const { group, linesOf, master: to } = await master();
    await flood(group, CALLS, (n) => to.node.register(registrationOf(to, n), '10.0.0.9'));
    expect(linesOf().get('replica registered')).toBeGreaterThan(0);
    expect(most(linesOf())).toBeLessThanOrEqual(LINES_MAX);
  });

  it('registrations at the address of another node', async () => {
    const { group, linesOf, master: to } = await master();
    await group.replica('one');
    const call = (n: number) => to.node.register(registrationOf(to, n, { advertise: 'one:1' }), '10.0.0.9');
    await flood(group, CALLS, call);
    expect(linesOf().get('a replica is refused')).toBeGreaterThan(0);
    expect(most(linesOf())).toBeLessThanOrEqual(LINES_MAX);
  });

  it('claims of one term after another', async () => {
    const { group, linesOf, master: to } = await master();
    const { logger, linesOf: linesOfOne } = countingLogger(group);
    const one = await group.replica('one', { logger });
    await group.untilLevel([to, one]);
    const { logId } = to.node.status();
    await flood(group, CALLS, (n) => one.node.claim({ logId, term: n + 1, nodeId: idOf(n) }));
    expect(linesOfOne().get('granted a term')).toBeGreaterThan(0);
    expect(Math.max(most(linesOf()), most(linesOfOne()))).toBeLessThanOrEqual(LINES_MAX);
  });

  it('announcements of nodes that are no masters', async () => {
    const { group, linesOf, master: to } = await master();
    const { logger, linesOf: linesOfOne } = countingLogger(group);
    const one = await group.replica('one', { logger });
    await group.untilLevel([to, one]);
    const { logId } = to.node.status();
    await flood(group, CALLS, (n) =>
      one.node.announce({ logId, term: 2 + (n % 9), nodeId: idOf(n), advertise: 'master:1' }, '10.0.0.9'),
    );
    expect(linesOfOne().size).toBeGreaterThan(0);
    expect(Math.max(most(linesOf()), most(linesOfOne()))).toBeLessThanOrEqual(LINES_MAX);
  });

  it('answers with terms that nobody believes, another one each time', async () => {
    const { group, linesOf, master: to } = await master();
    const one = await group.replica('one');
    await group.untilLevel([to, one]);
    let term = 100_000;
    const { replication, ...others } = one.node.ports;
    const liar = Object.create(replication) as typeof replication;
    liar.replicate = async (request) => {
      const answer = await replication.replicate(request);
      return { ...answer, verdict: { kind: 'fenced', term: ++term } };
    };
    group.network.attach('one:1', { ...others, replication: liar });
    await group.clock.advance(60_000);
    expect(term).toBeGreaterThan(100_020);
    const disbelieved = [...linesOf()].filter(([message]) => message.includes('not believed'));
    expect(disbelieved).toHaveLength(1);
    // Five in each window of ten seconds.
    expect(disbelieved[0]?.[1]).toBeLessThanOrEqual(35);
  });
});
