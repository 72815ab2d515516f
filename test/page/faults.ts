/** Groups of real processes in which one thing is broken, for people who try the page. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Authority } from '#test/doubles/certificates.ts';
import { EtcdProcess } from '#test/metadata/etcd-process.ts';
import { eventually, pause, type RealNode, type RealNodes } from '../cmd/real-node.ts';

/** A page to look at, and for how long until it has to say what is wrong. */
export interface Shown {
  readonly address: string;
  readonly seconds: number;
  /** Its process dies while somebody looks. */
  readonly isLost?: boolean;
}

export interface Fault {
  readonly name: string;
  /** `atEnd`: what has to be ended besides the processes. */
  play(processes: RealNodes, atEnd: (end: () => unknown) => void): Promise<Shown[]>;
}

const VALUE = 'x'.repeat(50_000);
const DAY_MS = 86_400_000;
/** At SIGUSR2 the wall clock of the process jumps a minute ahead. */
const JUMP = `data:text/javascript,${encodeURIComponent(
  'const real = Date.now; let ms = 0; Date.now = () => real() + ms; process.on("SIGUSR2", () => { ms = 60000; });',
)}`;

async function put(node: RealNode, key: string, value = 'v'): Promise<number> {
  const answer = await fetch(`http://${node.address}/v1/keys/${key}`, { method: 'PUT', body: value });
  await answer.arrayBuffer();
  return answer.status;
}

/** A master and a replica that follows it. */
async function group(processes: RealNodes, replica: Parameters<RealNodes['start']>[0] = {}) {
  const directory = await processes.directory();
  const master = await processes.start({ sets: [`wal.directory=${directory}`] });
  await master.ready();
  await put(master, 'first');
  const sets = [`master.address=${master.address}`, ...(replica.sets ?? [])];
  const follower = await processes.start({ ...replica, binary: 'slave', sets });
  await follower.ready();
  return { master, follower, directory };
}

/** Repeats `act` every `everyMs` until the end. */
function keepOn(everyMs: number, act: (turn: number) => unknown, atEnd: (end: () => unknown) => void): void {
  let turn = 0;
  const timer = setInterval(() => void Promise.resolve(act(turn++)).catch(() => {}), everyMs);
  atEnd(() => clearInterval(timer));
}

async function withCertificate(processes: RealNodes, from: number, to: number): Promise<Shown[]> {
  const directory = await processes.directory();
  const certificate = { from: new Date(from), to: new Date(to), dns: ['localhost'], ip: ['127.0.0.1'] };
  const files = Object.entries(new Authority('a', undefined, { from: new Date(from) }).issue(certificate));
  for (const [name, text] of files) await writeFile(join(directory, name), text, { mode: 0o600 });
  const tls = files.map(([name]) => `server.tls.${name}=${join(directory, name)}`);
  const master = await processes.start({ sets: ['server.tls.mode=optional', ...tls] });
  await master.ready();
  return [{ address: master.address, seconds: 3 }];
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'the master is dead',
    play: async (processes) => {
      const { master, follower } = await group(processes);
      master.kill('SIGKILL');
      return [{ address: follower.address, seconds: 12 }];
    },
  },
  {
    name: 'the master dies while somebody looks at its page',
    play: async (processes) => {
      const { master } = await group(processes);
      setTimeout(() => master.kill('SIGKILL'), 4_000);
      return [{ address: master.address, seconds: 8, isLost: true }];
    },
  },
  {
    name: 'a replica is cut off',
    play: async (processes, atEnd) => {
      const { master, follower } = await group(processes);
      follower.kill('SIGSTOP');
      atEnd(() => follower.kill('SIGCONT'));
      keepOn(500, (turn) => put(master, `k${turn}`), atEnd);
      return [{ address: master.address, seconds: 15 }];
    },
  },
  {
    name: 'a replica is far behind',
    play: async (processes, atEnd) => {
      const { master, follower } = await group(processes);
      follower.kill('SIGSTOP');
      atEnd(() => follower.kill('SIGCONT'));
      keepOn(200, (turn) => put(master, `k${turn}`), atEnd);
      await pause(32_000);
      return [{ address: master.address, seconds: 3 }];
    },
  },
  {
    name: 'a replica is delayed',
    play: async (processes) => {
      const { master, follower } = await group(processes, { sets: ['replication.apply_delay=1h'] });
      for (let each = 0; each < 5; each++) await put(master, `late${each}`);
      return [
        { address: follower.address, seconds: 4 },
        { address: master.address, seconds: 3 },
      ];
    },
  },
  {
    name: 'the disk of a replica is full',
    play: async (processes, atEnd) => {
      const directory = await processes.directory();
      const mount = `mount -t tmpfs -o size=2m none ${directory} && exec "$@"`;
      const wrapper = ['unshare', '-m', 'sh', '-c', mount, 'sh'];
      const { master, follower } = await group(processes, { wrapper, sets: [`wal.directory=${directory}`] });
      keepOn(100, (turn) => put(master, `k${turn}`, VALUE), atEnd);
      return [
        { address: follower.address, seconds: 15 },
        { address: master.address, seconds: 3 },
      ];
    },
  },
  {
    name: 'the disk of the master is slow',
    play: async (processes, atEnd) => {
      const slow = ['strace', '-f', '-qq', '-e', 'trace=fdatasync', '-o', '/dev/null'];
      const wrapper = [...slow, '-e', 'inject=fdatasync:delay_exit=400000'];
      const master = await processes.start({ wrapper });
      await master.ready();
      keepOn(500, (turn) => put(master, `k${turn}`), atEnd);
      return [{ address: master.address, seconds: 10 }];
    },
  },
  {
    name: 'a diverged tail was set aside',
    play: async (processes) => {
      const own = await processes.directory();
      const { master, follower, directory } = await group(processes, { sets: [`wal.directory=${own}`] });
      follower.kill('SIGKILL');
      await follower.ended;
      for (let each = 0; each < 3; each++) await put(master, `lost${each}`);
      master.kill('SIGKILL');
      await master.ended;
      const sets = [`master.address=${master.address}`, `wal.directory=${own}`];
      const next = await processes.start({ binary: 'slave', port: follower.port, sets });
      await eventually(async () => {
        const { status } = await next.call('Admin/Promote', { force: true });
        return status === 200;
      }, 'the replica leads');
      const again = await processes.start({ port: master.port, sets: [`wal.directory=${directory}`] });
      await again.ready();
      return [{ address: again.address, seconds: 4 }];
    },
  },
  {
    name: 'the clock of the master jumps',
    play: async (processes) => {
      const master = await processes.start({ env: { NODE_OPTIONS: `--import ${JUMP}` } });
      await master.ready();
      master.kill('SIGUSR2');
      return [{ address: master.address, seconds: 6 }];
    },
  },
  {
    name: 'the store is full and evicts',
    play: async (processes, atEnd) => {
      const master = await processes.start({ sets: ['storage.max_entries=100'] });
      await master.ready();
      keepOn(10, (turn) => put(master, `k${turn}`), atEnd);
      return [{ address: master.address, seconds: 6 }];
    },
  },
  {
    name: 'the store is full and refuses',
    play: async (processes, atEnd) => {
      const sets = ['storage.max_entries=100', 'storage.eviction_policy=none'];
      const master = await processes.start({ sets });
      await master.ready();
      keepOn(20, (turn) => put(master, `k${turn}`), atEnd);
      return [{ address: master.address, seconds: 7 }];
    },
  },
  {
    name: 'one key is hot',
    play: async (processes, atEnd) => {
      const master = await processes.start();
      await master.ready();
      for (let each = 0; each < 20; each++) await put(master, `k${each}`);
      keepOn(10, (turn) => master.get(`/v1/keys/k${turn % 3 === 0 ? turn % 20 : 0}`), atEnd);
      return [{ address: master.address, seconds: 26 }];
    },
  },
  {
    name: 'a certificate is about to end',
    play: (processes) => withCertificate(processes, Date.now() - DAY_MS, Date.now() + 3 * DAY_MS),
  },
  {
    name: 'a certificate has expired',
    play: (processes) => withCertificate(processes, Date.now() - 9 * DAY_MS, Date.now() - DAY_MS),
  },
  {
    name: 'the coordinator has no etcd',
    play: async (processes, atEnd) => {
      const etcd = await EtcdProcess.start(1);
      atEnd(() => etcd.stop());
      const metadata = ['kind=etcd', `endpoints=${etcd.endpoints[0]?.text}`];
      const sets = metadata.map((set) => `coordinator.metadata.${set}`);
      const coordinator = await processes.start({ binary: 'coordinator', sets });
      await coordinator.ready();
      await etcd.stop();
      return [{ address: coordinator.address, seconds: 20 }];
    },
  },
  {
    name: 'watchers are too slow',
    play: async (processes, atEnd) => {
      const master = await processes.start();
      await master.ready();
      for (let each = 0; each < 4; each++) {
        const socket = connect(master.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.pause();
        socket.write('GET /v1/watch?prefix=k HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
        atEnd(() => socket.destroy());
      }
      await pause(500);
      keepOn(20, (turn) => put(master, `k${turn % 50}`, VALUE), atEnd);
      return [{ address: master.address, seconds: 25 }];
    },
  },
  {
    name: 'a replica has the address of another group',
    play: async (processes) => {
      const directory = await processes.directory();
      const { master, follower } = await group(processes, { sets: [`wal.directory=${directory}`] });
      const other = await processes.start();
      await other.ready();
      await put(other, 'other');
      follower.kill('SIGTERM');
      await follower.ended;
      const sets = [`master.address=${other.address}`, `wal.directory=${directory}`];
      const wrong = await processes.start({ binary: 'slave', port: follower.port, sets });
      await eventually(async () => (await wrong.get('/livez')).status === 200, 'it answers');
      await pause(4_000);
      return [wrong, other, master].map(({ address }) => ({ address, seconds: 4 }));
    },
  },
];
