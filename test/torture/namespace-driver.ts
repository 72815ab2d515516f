/**
 * A master and two replicas, each in a network namespace of its own, and this
 * driver between them in another: run by `unshare -n`, so addresses and links
 * exist in there only, and are gone with the processes. Links go down as
 * cables do, without a word to either side, and are made lossy where the
 * kernel can. Arguments: seed, number of faults, directory. Prints JSON.
 */
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { expectReady, PULL_MS, resyncsOf, untilLevel } from './link-group.ts';
import { LinkLoad } from './link-load.ts';
import { runCommand } from './master-process.ts';
import type { NamespaceRun } from './namespaces.ts';
import { NodeProcess, pause } from './node-process.ts';
import { ProcessJournal } from './process-journal.ts';

const SUBNET = '10.199.0';
const BRIDGE = 'hub';
/** In a node's namespace. */
const DEVICE = 'walnut0';
const NETEM = 'loss 20% delay 20ms 10ms duplicate 10% reorder 25%'.split(' ');
const MOVE_MS_MAX = 10_000;

interface Member {
  readonly node: NodeProcess;
  /** This end of its cable. */
  readonly cable: string;
}

async function ip(...args: string[]): Promise<void> {
  const { code, output } = await runCommand('ip', args);
  if (code !== 0) throw new Error(`ip ${args.join(' ')}: ${output}`);
}

/** A node in a namespace of its own; it starts once its cable is there. */
async function startMember(number: number, binary: 'master' | 'slave', sets: string[]): Promise<Member> {
  const host = `${SUBNET}.${10 + number}`;
  const script =
    `until ip link show ${DEVICE} >/dev/null 2>&1; do sleep 0.02; done; ` +
    `ip link set lo up; ip addr add ${host}/24 dev ${DEVICE}; ip link set ${DEVICE} up; exec "$@"`;
  const node = new NodeProcess({ binary, host, sets, wrapper: ['unshare', '-n', 'sh', '-c', script, 'sh'] });
  const member = { node, cable: `cable${number}` };
  members.push(member);
  const ours = readlinkSync('/proc/self/ns/net');
  for (const endMs = Date.now() + MOVE_MS_MAX; readlinkSync(`/proc/${node.pid}/ns/net`) === ours; ) {
    if (Date.now() > endMs) throw new Error('the node got no namespace');
    await pause(5);
  }
  await ip(
    'link',
    'add',
    'name',
    member.cable,
    'type',
    'veth',
    'peer',
    'name',
    DEVICE,
    'netns',
    `${node.pid}`,
  );
  await ip('link', 'set', member.cable, 'master', BRIDGE, 'up');
  await expectReady(node);
  return member;
}

/** One fault on the cables of some members; whether it was netem's. */
async function breakCables(
  broken: readonly Member[],
  hasNetem: boolean,
  random: SeededRandom,
): Promise<boolean> {
  const isLossy = hasNetem && random.chance(0.5);
  const holdMs = random.pick([300, PULL_MS + 200, 1_700, 2_500]);
  for (const { cable } of broken) {
    if (isLossy) await runCommand('tc', ['qdisc', 'add', 'dev', cable, 'root', 'netem', ...NETEM]);
    else await ip('link', 'set', cable, 'down');
  }
  await pause(holdMs);
  for (const { cable } of broken) {
    if (isLossy) await runCommand('tc', ['qdisc', 'del', 'dev', cable, 'root']);
    else await ip('link', 'set', cable, 'up');
  }
  return isLossy;
}

async function run(seed: number, faults: number, directory: string): Promise<NamespaceRun> {
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', 'name', BRIDGE, 'type', 'bridge');
  await ip('addr', 'add', `${SUBNET}.1/24`, 'dev', BRIDGE);
  await ip('link', 'set', BRIDGE, 'up');
  const hasNetem =
    (await runCommand('tc', ['qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'loss', '0%'])).code === 0;
  const master = await startMember(0, 'master', [`wal.directory=${join(directory, 'master')}`]);
  const replicas: Member[] = [];
  for (const number of [1, 2]) {
    const sets = [
      `wal.directory=${join(directory, `replica-${number}`)}`,
      `master.address=${master.node.address}`,
      `master.sync_interval=${PULL_MS}ms`,
    ];
    replicas.push(await startMember(number, 'slave', sets));
  }
  const nodes = [master, ...replicas].map(({ node }) => node);
  await untilLevel(nodes);
  const random = new SeededRandom(seed);
  const journal = new ProcessJournal();
  const load = new LinkLoad({ master: () => master.node, journal, random, writers: 6, pauseMs: 4 });
  const healMs: number[] = [];
  let lossy = 0;
  for (let fault = 0; fault < faults; fault++) {
    const broken = random.chance(0.3) ? replicas : [random.pick(replicas)];
    if (await breakCables(broken, hasNetem, random)) lossy++;
    await load.pause();
    healMs.push(await untilLevel(nodes));
    load.resume();
  }
  await load.stop();
  await untilLevel(nodes);
  for (const node of nodes) await journal.verify(node);
  const { full, partial, reasons } = await resyncsOf(master.node);
  const counts = { acked: journal.acked, fullResyncs: full, partialResyncs: partial, reasons };
  return { faults, lossy, hasNetem, healMs, ...counts };
}

const members: Member[] = [];
const [seed = '1', faults = '3', directory = ''] = process.argv.slice(2);
let exitCode = 0;
try {
  process.stdout.write(`${JSON.stringify(await run(Number(seed), Number(faults), directory))}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  exitCode = 1;
}
await Promise.all(members.map(({ node }) => node.destroy()));
process.exit(exitCode);
