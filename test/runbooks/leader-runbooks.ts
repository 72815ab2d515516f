/** Runbooks about the master's role: quarantine, fencing, failover, a dead master. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TERM_MAX } from '#model/position.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { LiveGroup, type LiveNode, level, until } from './live-node.ts';
import { advised, at, rig, says } from './rig.ts';
import { Runbook } from './runbook.ts';

describe('Quarantine', () => {
  /** Empties the directory of the master, which then takes a write. */
  async function quarantined(): Promise<{ master: LiveNode; one: LiveNode; two: LiveNode }> {
    const { master, one, two } = await rig.group.trio();
    await master.stop();
    await master.empty();
    await master.start();
    await master.set('other', 'world');
    for (const node of [one, two]) await says(node, /quarantined/);
    return { master, one, two };
  }

  it('the replica’s data is right: the wrong master is stopped, the replica promoted, all follow', async () => {
    const book = new Runbook('Quarantine');
    const { master, one, two } = await quarantined();
    await says(one, /stop the master at/);
    const places = { REPLICA: one.address };
    const listed = await book.type('quarantine list', places);
    // The way that gives nothing up comes first.
    expect(listed.out.indexOf('walnut promote')).toBeGreaterThan(0);
    expect(listed.out.indexOf('walnut promote')).toBeLessThan(listed.out.indexOf('--discard-local'));
    await master.stop();
    expect((await book.type('promote', places)).code).toBe(0);
    await one.set('after', 'it');
    await level(one, two);
    await master.empty();
    await master.start();
    await level(one, two, master);
    expect(await master.get('k1')).toBe('v');
  });

  it('it was pointed at the wrong master: kept, the address corrected, it follows', async () => {
    const book = new Runbook('Quarantine');
    const { master, one } = await rig.group.trio();
    const wrong = await rig.group.add('master', 'wrong').start();
    await wrong.set('other', 'world');
    await one.stop();
    await one.start({ upstream: wrong.address });
    await says(one, /quarantined/);
    expect((await book.type('quarantine release --keep', { REPLICA: one.address })).code).toBe(0);
    await one.stop();
    await one.start({ upstream: master.address });
    await level(master, one);
  });

  it('the master’s data is right: the local one goes aside', async () => {
    const book = new Runbook('Quarantine');
    const { master, one } = await quarantined();
    expect((await book.type('quarantine release --discard-local', { REPLICA: one.address })).code).toBe(0);
    await level(master, one);
    const aside = new Runbook('aside/');
    expect((await aside.type('wal inspect', { DIR: one.directory })).out).toContain('kept aside');
    const here = at(one);
    // The section states the files twice: what keeps them, and what shows them.
    for (let round = 0; round < 2; round++) {
      const list = await aside.type('diverged list', here, '--json');
      const [{ id }] = JSON.parse(list.out) as [{ id: number }];
      const places = { ...here, ID: `${id}`, NODE: one.address };
      expect((await aside.type('diverged show', places)).out).toContain('k1');
      expect((await aside.type('diverged seen', places)).code).toBe(0);
    }
  });
});

describe('A master comes up fenced', () => {
  it('a term was seen that nobody leads, and a node is gone: the promotion that it names decides', async () => {
    const book = new Runbook('A master comes up fenced');
    const { master, one, two } = await rig.group.trio();
    await one.stop();
    const { logId } = two.status;
    await two.node.claim({ logId, term: 2, nodeId: 'f'.repeat(32) });
    await says(master, /leads again once everyone agrees/);
    const chosen = await advised([master, two], master);
    expect((await book.type('promote', { '…': chosen.address })).code).toBe(0);
    await chosen.set('after', 'it');
    await level(master, two);
  });

  it('two were promoted apart: the further one is promoted once more', async () => {
    const book = new Runbook('A master comes up fenced');
    const { master, one, two } = await rig.group.trio();
    await master.stop();
    // Each node finds that the other is gone.
    await two.stop();
    await one.node.promote(false);
    await one.stop();
    await two.start({ upstream: master.address });
    await two.node.promote(true);
    for (const value of ['1', '2', '3']) await two.set('of two', value);
    await one.start();
    await until(
      () => [one, two].every(({ status }) => status.state === 'fenced'),
      () => JSON.stringify([one, two].map(({ status, address }) => ({ address, ...status }))),
    );
    const chosen = await advised([one, two], one);
    expect(chosen).toBe(two);
    expect((await book.type('promote --address CHOSEN', { CHOSEN: chosen.address })).code).toBe(0);
    await level(one, two);
  });

  it('a replica is ahead: it is promoted, or the older state forced', async () => {
    for (const isForced of [false, true]) {
      const book = new Runbook('A master comes up fenced');
      const { master, one, two } = await rig.group.trio();
      await two.stop();
      await master.stop();
      cpSync(master.directory, `${master.directory}.copy`, { recursive: true });
      await master.start();
      await master.set('newer', 'write');
      await level(master, one);
      await master.stop();
      rmSync(master.directory, { recursive: true });
      cpSync(`${master.directory}.copy`, master.directory, { recursive: true });
      await master.start();
      expect(master.status.state).toBe('fenced');
      await says(one, /quarantined/);
      expect(await advised([master, one], master)).toBe(one);
      const promote = 'promote --address REPLICA';
      if (!isForced) expect((await book.type(promote, { REPLICA: one.address })).code).toBe(0);
      else {
        await master.stop();
        await master.start({ forcedRole: 'master' });
        const places = { REPLICA: one.address };
        expect((await book.type('quarantine release', places)).code).toBe(0);
        await one.stop();
        await one.start({ upstream: master.address });
      }
      await level(master, one);
      expect(await one.get('newer')).toBe(isForced ? undefined : 'write');
      await rig.group.close();
      rig.group = await LiveGroup.create();
    }
  });
});

describe('Two masters that see each other', () => {
  it('both say so; the one that does not belong there is removed', async () => {
    const book = new Runbook('Two masters that see each other');
    const { master, one, two } = await rig.group.trio();
    await master.stop();
    await one.node.promote(false);
    await level(one, two);
    await master.empty();
    // Its first write happens before it hears of the other master.
    const alone: PeerDialer = {
      dial: () => {
        throw new Error('not yet');
      },
    };
    await master.start({ dialer: alone });
    await master.set('other', 'world');
    await says(one, /is a master too/);
    const places = { OTHER: master.address, MASTER: one.address };
    expect((await book.type('remove-replica', places)).code).toBe(0);
    await one.set('after', 'it');
    await level(one, two);
  });
});

/** The term that v0.1.0 persisted if a message stated it. */
function poison({ directory }: LiveNode): void {
  const path = join(directory, 'MANIFEST');
  const manifest = tryDecodeManifest(readFileSync(path)) as Manifest;
  writeFileSync(path, encodeManifest({ ...manifest, term: TERM_MAX }));
}

describe('A term that is not believed', () => {
  it('is taken back on every node, and one leads again; its state can be brought over, too', async () => {
    const book = new Runbook('A term that is not believed');
    const { master, one, two } = await rig.group.trio();
    const nodes = [master, one, two];
    for (const node of nodes) await node.stop();
    for (const node of nodes) poison(node);
    await master.start();
    await says(master, /walnut wal reset-term/);
    await master.stop();
    for (const { directory } of nodes) {
      const each = new Runbook('A term that is not believed');
      expect((await each.type('wal reset-term', { DIR: directory })).code).toBe(1);
      expect((await each.type('wal reset-term', { DIR: directory })).code).toBe(0);
    }
    await master.start({ forcedRole: 'master' });
    for (const node of [one, two]) await node.start({ upstream: master.address });
    await master.set('after', 'it');
    await level(master, one, two);
    const fresh = await rig.group.add('master', 'fresh').start();
    const lsn = `${one.status.durableLsn}`;
    const source = ['--source', one.directory, '--lsn', lsn, '--other-log', '--apply'];
    expect((await book.type('restore-to', at(fresh), ...source)).code).toBe(0);
    expect(await fresh.get('k1')).toBe('v');
  });
});

/** Links that drop every call that tells a replica to lead. */
function lossyDialer(isLost: () => boolean): PeerDialer {
  const dialer = createPeerDialer({ clock: createNodeClock() });
  return {
    dial: (address) => {
      const link = dialer.dial(address);
      return Object.assign(Object.create(link), {
        takeOver: ((request, options) =>
          !request.isCheck && isLost()
            ? Promise.reject(new Error('lost'))
            : link.takeOver(request, options)) as typeof link.takeOver,
      }) as typeof link;
    },
  };
}

/** Links of a replica that registers as release 0.1.0 does: it says nothing of formats. */
function oldDialer(): PeerDialer {
  const dialer = createPeerDialer({ clock: createNodeClock() });
  return {
    dial: (address) => {
      const link = dialer.dial(address);
      return Object.assign(Object.create(link), {
        register: (({ formatLevel: _, ...request }, options) =>
          link.register(request, options)) as typeof link.register,
      }) as typeof link;
    },
  };
}

describe('Upgrading from 0.1', () => {
  it('what needs new formats waits for a replica of 0.1, which is upgraded or taken out', async () => {
    const book = new Runbook('Upgrading from 0.1');
    const { master, one, two } = await rig.group.trio();
    await two.stop();
    await two.start({ upstream: master.address, dialer: oldDialer() });
    await master.set('k', 'v');
    await level(master, one, two);
    const touch = () =>
      master.node.touch({
        key: 'k',
        expiry: { kind: 'ttl', ttlMs: 60_000 },
        returnValue: false,
        minAcks: 0,
        timeoutMs: 0,
      });
    await expect(touch()).rejects.toThrow(`level 1, and replica ${two.address} has not said`);
    await two.stop();
    const places = { 'HOST:PORT': two.address, ...at(master) };
    expect((await book.type('remove-replica', places)).code).toBe(0);
    await touch();
    await level(master, one);
    expect((await book.type('status', places)).out).toMatch(/format level 1/);
  });
});

describe('Changing the master while it is up', () => {
  const heading = 'Changing the master while it is up';

  it('hands the role over', async () => {
    const book = new Runbook(heading);
    const { master, one, two } = await rig.group.trio();
    const places = { MASTER: master.address, REPLICA: one.address, ...at(one) };
    expect((await book.type('failover', places)).code).toBe(0);
    expect((await book.type('status', places)).out).toMatch(/role +master/);
    await one.set('after', 'it');
    await level(master, one, two);
    const upgrading = new Runbook('Upgrading from 0.1');
    const back = ['--address', one.address, '--to', master.address];
    expect((await upgrading.type('failover', {}, ...back)).code).toBe(0);
    await level(master, one, two);
  });

  it.each(['gone', 'refusing'] as const)('its end is not known: the replica is %s', async (what) => {
    const book = new Runbook(heading);
    let isLost = true;
    const { master, one, two } = await rig.group.trio();
    await master.stop();
    await master.start({ dialer: lossyDialer(() => isLost) });
    await level(master, one, two);
    await until(
      () =>
        master.status.replicas.some(({ address, state }) => address === one.address && state === 'streaming'),
      () => 'it is registered',
    );
    const places = {
      MASTER: master.address,
      REPLICA: one.address,
      OLD_MASTER: master.address,
      ...at(master),
    };
    const failed = await book.type('failover', places, '--timeout', '1s');
    expect(failed).toMatchObject({ code: 5, err: expect.stringMatching(/is not known/) });
    if (what === 'gone') {
      await one.stop();
      await says(master, /was told to lead term 2/);
      expect((await book.type('promote', places)).code).toBe(0);
    } else {
      const { logId } = one.status;
      await one.node.claim({ logId, term: 5, nodeId: 'f'.repeat(32) });
      isLost = false;
      await says(one, /follow each other, so nobody leads/);
      // Until it has heard the refusal, it may not be promoted without force.
      await until(
        () => !master.reasons.includes('was told to lead'),
        () => master.reasons,
      );
      const chosen = await advised([master, one, two], one);
      expect(await book.type('promote$', at(chosen))).toMatchObject({ code: 0, err: '' });
    }
    await until(
      () => [master, one, two].some(({ isWriting }) => isWriting),
      () => master.reasons,
    );
    await level(master, two, ...(what === 'gone' ? [] : [one]));
  });
});

describe('Replacing a dead master', () => {
  it('the furthest replica is promoted, the other follows, the old one when it is back', async () => {
    const book = new Runbook('Replacing a dead master');
    const { master, one, two } = await rig.group.trio();
    await master.stop();
    const chosen = await advised([one, two], one);
    const other = chosen === one ? two : one;
    expect((await book.type('status', { '…': chosen.address })).code).toBe(0);
    expect((await book.type('promote', { REPLICA: chosen.address })).code).toBe(0);
    await chosen.set('after', 'it');
    await level(one, two);
    await master.start();
    await level(chosen, other, master);
    await master.stop();
    expect((await book.type('remove-replica', { OLD: master.address, ...at(chosen) })).code).toBe(0);
    const compared = await book.type('digest --compare', { NEW_MASTER: chosen.address });
    expect(compared.code).toBe(0);
  });
});
