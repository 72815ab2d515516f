import { describe, expect, it } from 'vitest';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { MemberState } from '../../cmd/group/group-member.ts';
import { GROUP_FILES } from '../../cmd/group/group-plan.ts';
import { GroupRun, type Member } from '../../cmd/group/group-run.ts';
import type { ProcessExit } from '../../cmd/local/local-process.ts';

const CLEAN: ProcessExit = { code: 0, reason: 'exit code 0' };

/** A node whose state the test sets. */
class FakeMember implements Member {
  readonly spec: Member['spec'];
  readonly logFile: string;
  state = 'starting';
  position = '1-1';
  isStarted = false;
  /** How it ends when it is stopped. */
  stopExit = CLEAN;
  readonly #exit = Promise.withResolvers<ProcessExit>();

  constructor(file: (typeof GROUP_FILES)[number], port: number) {
    const [address, host] = [`127.0.0.1:${port}`, '127.0.0.1'];
    this.spec = { ...file, address, host, port, directory: `data/${file.name}`, sets: [] };
    this.logFile = `data/${file.name}.log`;
  }

  start(): Promise<ProcessExit> {
    this.isStarted = true;
    return this.#exit.promise;
  }

  end(code: number): void {
    this.#exit.resolve({ code, reason: `exit code ${code}` });
  }

  stop(): Promise<ProcessExit | undefined> {
    if (!this.isStarted) return Promise.resolve(undefined);
    this.#exit.resolve(this.stopExit);
    return this.#exit.promise;
  }

  lastLines(): Promise<string> {
    return Promise.resolve(`  last words of ${this.spec.name}\n`);
  }

  describe(): Promise<MemberState> {
    const { name, address, directory } = this.spec;
    return Promise.resolve({
      name,
      address,
      directory,
      role: name === 'master' ? 'master' : 'replica',
      state: this.state,
      position: this.position,
      lag: '',
      entries: '0',
      isReady: this.state === 'serving' || this.state === 'streaming',
      reasons: this.state === 'quarantined' ? ['quarantined: another log', 'stop the master'] : [],
    });
  }
}

function rig(firstPort?: number) {
  const clock = new VirtualClock();
  const members = GROUP_FILES.map((file, index) => new FakeMember(file, 8_080 + index));
  const [master, one, two] = members as [FakeMember, FakeMember, FakeMember];
  let text = '';
  const note = (more: string): void => {
    text += more;
  };
  const group = new GroupRun(members, clock, { say: note, complain: note }, firstPort);
  const started = group.start();
  return { clock, group, master, one, two, started, said: () => text };
}

describe('GroupRun', () => {
  it('starts the replicas when the master answers, whatever its state', async () => {
    const { clock, master, one, two, said, started } = rig();
    await clock.advance(1_000);
    expect([master.isStarted, one.isStarted]).toEqual([true, false]);
    // This happens after a failover: the node follows a replica that has not started yet.
    master.state = 'catching_up';
    await clock.advance(100);
    expect([one.isStarted, two.isStarted]).toEqual([true, true]);
    one.state = 'serving';
    [master.state, two.state] = ['streaming', 'streaming'];
    await clock.advance(100);
    await started;
    expect(said()).toContain('Ctrl-C stops all three');
  });

  it('starts nothing once stopping has begun', async () => {
    const { clock, group, master, one, two, started } = rig();
    await clock.advance(1_000);
    const stopped = group.stop(0);
    master.state = 'serving';
    await clock.advance(10_000);
    await started;
    expect([one.isStarted, two.isStarted]).toEqual([false, false]);
    expect(await stopped).toBe(0);
    expect(await group.ended).toBe(0);
  });

  it('stops the others when one ends, and says why once', async () => {
    const { clock, group, master, one, said } = rig();
    master.state = 'serving';
    await clock.advance(200);
    one.end(3);
    await clock.advance(200);
    expect(await group.ended).toBe(1);
    expect(said()).toContain('slave-1 ended: exit code 3\n  last words of slave-1');
    expect(said()).toContain('npm run -s walnut -- wal verify data/slave-1');
    expect(said().split('slave-1')).toHaveLength(4);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])(
    'calls a stop clean where %s ended a node before it listened for signals',
    async (reason) => {
      const { clock, group, master, said } = rig();
      await clock.advance(200);
      master.stopExit = { code: undefined, reason };
      expect(await group.stop(0)).toBe(0);
      expect(said()).not.toContain('cleanly');
    },
  );

  it.each([
    [undefined, 'Again: npm start\n'],
    [9_080, 'Again: npm start -- --port 9080\n'],
  ])('names the command that starts it again (--port %s)', async (port, again) => {
    const { clock, group, said } = rig(port);
    await clock.advance(200);
    await group.stop(0);
    expect(said().endsWith(again)).toBe(true);
  });

  it('says which node did not stop cleanly, by its exit code too', async () => {
    const { clock, group, master, said } = rig();
    master.state = 'serving';
    await clock.advance(200);
    master.stopExit = { code: undefined, reason: 'SIGKILL' };
    expect(await group.stop(0)).toBe(1);
    expect(said()).toContain('master did not stop cleanly; its log: less data/master.log');
  });

  it('shows the group beside a quarantined replica, and names that less and less often', async () => {
    const { clock, group, master, one, two, said } = rig();
    master.state = 'serving';
    await clock.advance(200);
    [one.state, two.state] = ['quarantined', 'streaming'];
    await clock.advance(2_000);
    expect(said()).toContain('Ctrl-C stops all three');
    const times = (): number => said().split('  slave-1 is quarantined: another log\n').length - 1;
    expect(times()).toBe(1);
    expect(said()).toContain('npm run -s walnut -- quarantine list --address 127.0.0.1:8081');
    expect(said()).not.toContain('stop the master');
    expect(said()).toContain('mv data/master data/master.old');
    await clock.advance(60_000);
    expect(times()).toBeLessThanOrEqual(5);
    await group.stop(0);
  });

  it('advises to promote the quarantined replica that has most', async () => {
    const { clock, group, master, one, two, said } = rig();
    master.state = 'serving';
    await clock.advance(200);
    [one.state, two.state] = ['quarantined', 'quarantined'];
    [master.position, one.position, two.position] = ['4294967297-99', '4294967297-12', '4294967297-9'];
    await clock.advance(2_000);
    const [first, ...others] = said().match(/promote --force --address \S+/g) ?? [];
    expect(first).toBe('promote --force --address 127.0.0.1:8081');
    expect(new Set(others)).toEqual(new Set([first]));
    await group.stop(0);
  });
});
