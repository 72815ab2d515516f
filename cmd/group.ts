/**
 * `npm start`: one master and two replicas from `configs/`, as three processes
 * on this machine; waits until the replicas are level, shows where everything
 * is and what to try, and stops all of them on one Ctrl-C.
 */
import { access, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createNodeClock } from '#platform/node-clock.ts';
import { listenForShutdown } from '#platform/shutdown-signals.ts';
import { GroupMember, type MemberSpec } from './group/group-member.ts';
import { invitation, statusTable } from './group/group-text.ts';

const USAGE = `Usage: npm start

Starts one master (127.0.0.1:8080) and two replicas (8081, 8082) from
configs/master.yaml, slave-1.yaml and slave-2.yaml, with their data under
./data. Ctrl-C stops all three; the next start finds the data again.

To start the nodes one by one instead:
  npm run master -- --config configs/master.yaml
  npm run slave -- --config configs/slave-1.yaml
`;

const MEMBERS: readonly MemberSpec[] = [
  { name: 'master', entry: 'cmd/master.ts', config: 'configs/master.yaml', address: '127.0.0.1:8080' },
  { name: 'slave-1', entry: 'cmd/slave.ts', config: 'configs/slave-1.yaml', address: '127.0.0.1:8081' },
  { name: 'slave-2', entry: 'cmd/slave.ts', config: 'configs/slave-2.yaml', address: '127.0.0.1:8082' },
];

/** Recovering a large data directory takes a while; longer than this without being level is told, not fatal. */
const SLOW_MS = 5_000;
const POLL_MS = 100;

const clock = createNodeClock();
const members = MEMBERS.map((spec) => new GroupMember(spec, clock));
let isStopping = false;

const argv = process.argv.slice(2);
if (argv.includes('--help') || argv.includes('-h')) {
  process.stdout.write(USAGE);
} else if (argv.length > 0) {
  process.stderr.write(`npm start: unexpected ${JSON.stringify(argv[0])}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  await run();
}

async function run(): Promise<void> {
  const taken = await findTakenPort();
  if (taken !== undefined) {
    process.stderr.write(
      `Port ${taken.address.split(':')[1]} is taken: something else listens on ${taken.address}.\n` +
        `Stop it, or change server.port in ${taken.config}` +
        (taken.name === 'master' ? ' and master.address in configs/slave-1.yaml and slave-2.yaml.\n' : '.\n'),
    );
    process.exitCode = 1;
    return;
  }
  listenForShutdown(clock, { onFirst: () => void stopAll(0), onAgain: () => process.exit(1) });
  await mkdir('data', { recursive: true, mode: 0o700 });
  process.stdout.write('Starting a master and two replicas…\n');
  for (const member of members) {
    member.start((reason) => void lost(member, reason));
    if (member.spec.name === 'master') await untilReady([member]);
  }
  await untilReady(members);
  if (isStopping) return;
  process.stdout.write(
    `${statusTable(await Promise.all(members.map((member) => member.describe())))}\n${invitation()}\n`,
  );
}

/** Resolves when all of them say that they are ready; shows what they wait for where it takes long. */
async function untilReady(waited: readonly GroupMember[]): Promise<void> {
  let toldMs = clock.monotonicMs();
  while (!isStopping) {
    const states = await Promise.all(waited.map((member) => member.describe()));
    if (states.every((state) => state.isReady)) return;
    if (clock.monotonicMs() - toldMs > SLOW_MS) {
      toldMs = clock.monotonicMs();
      const waiting = states.filter((state) => !state.isReady);
      for (const state of waiting)
        process.stdout.write(`  ${state.name}: ${state.reasons.join('; ') || 'starting'}\n`);
    }
    await clock.sleep(POLL_MS);
  }
}

async function lost(member: GroupMember, reason: string): Promise<void> {
  if (isStopping) return;
  process.stderr.write(`${member.spec.name} ended: ${reason}\n${await member.lastLines()}`);
  await stopAll(1);
}

async function stopAll(code: number): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  process.stdout.write('\nStopping…\n');
  // Replicas first: they then miss nothing that the master writes while it stops.
  const codes = await Promise.all(members.map((member) => member.stop()));
  const failed = codes.some((one) => one !== 0 && one !== undefined);
  process.stdout.write(
    failed ? 'Stopped, not all of them cleanly: see data/*.log\n' : 'Stopped; the data is in ./data\n',
  );
  process.exit(code === 0 && failed ? 1 : code);
}

async function findTakenPort(): Promise<MemberSpec | undefined> {
  for (const spec of MEMBERS) {
    await access(spec.config);
    const [host, port] = spec.address.split(':');
    const isFree = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(Number(port), host, () => probe.close(() => resolve(true)));
    });
    if (!isFree) return spec;
  }
  return undefined;
}
