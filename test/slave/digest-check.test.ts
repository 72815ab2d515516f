/** What a replica does about a digest that is not its master's, step by step. */
import { describe, expect, it } from 'vitest';
import { DigestWindow } from '#engine/digest-window.ts';
import { toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { DigestCheck, RESYNCS_MAX } from '#slave/digest-check.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { at, newStore, set } from '#test/storage/helpers.ts';

const OTHER = 'f'.repeat(32);
const MINUTE_MS = 60_000;

/** A window with the states at 1 .. 5. */
function windowOf(prefix = 'k'): DigestWindow {
  const window = new DigestWindow();
  const store = newStore();
  for (let lsn = 1; lsn <= 5; lsn++) {
    store.apply(set(`${prefix}${lsn}`), at(lsn));
    window.note(toLsn(lsn), store);
  }
  return window;
}

const digestAt = (window: DigestWindow, lsn: number): string => window.at(toLsn(lsn))?.digest ?? '';

function differing() {
  const clock = new VirtualClock();
  const check = new DigestCheck(clock, silentLogger);
  const ours = windowOf();
  check.compare(ours, toLsn(3), OTHER);
  return { clock, check, ours };
}

describe('a comparison', () => {
  it('is made at exactly the LSN stated, and only where both sides know it', () => {
    const check = new DigestCheck(new VirtualClock(), silentLogger);
    const ours = windowOf();
    check.compare(ours, toLsn(3), '');
    check.compare(ours, toLsn(6), OTHER);
    expect(check.status).toMatchObject({ digestComparisons: 0, digestMismatches: 0 });
    for (const lsn of [1, 2, 3, 4, 5]) check.compare(ours, toLsn(lsn), digestAt(ours, lsn));
    expect(check.status).toMatchObject({ digestComparisons: 5, digestMismatches: 0 });
    expect(check).toMatchObject({ remedy: 'none', isSuspect: false, reason: '' });
    check.compare(ours, toLsn(4), digestAt(ours, 5));
    expect(check.status).toMatchObject({ digestComparisons: 6, digestMismatches: 1 });
    expect(check.mismatch).toEqual({ lsn: 4, stated: digestAt(ours, 5), found: digestAt(ours, 4) });
  });
});

describe('a difference', () => {
  it('makes the state suspect, and is told with both values', () => {
    const { check, ours } = differing();
    expect(check).toMatchObject({ remedy: 'rebuild', isSuspect: true });
    expect(check.reason).toContain(`LSN 3 the digest here was ${digestAt(ours, 3)}, the master’s ${OTHER}`);
    expect(check.reason).toContain('reads are refused');
  });

  it('is over when the rebuilt state has the digest stated', () => {
    const clock = new VirtualClock();
    const check = new DigestCheck(clock, silentLogger);
    const right = windowOf('right');
    check.compare(windowOf(), toLsn(3), digestAt(right, 3));
    check.rebuilt(right);
    expect(check).toMatchObject({ remedy: 'none', isSuspect: false, reason: '', mismatch: undefined });
    expect(check.status).toMatchObject({ digestMismatches: 1, rebuilds: 1 });
  });

  it('of the rebuilt state leads to a full resync, after the master had time to look at itself', async () => {
    const { clock, check, ours } = differing();
    check.rebuilt(ours);
    expect(check).toMatchObject({ remedy: 'none', isSuspect: false, fullResyncReason: '' });
    expect(check.reason).toContain('not compared with the master again yet');
    await clock.advance(10_000);
    expect(check.remedy).toBe('resync');
    expect(check.fullResyncReason).toMatch(/^digest_mismatch: at LSN 3/);
    check.resynced();
    expect(check).toMatchObject({ remedy: 'none', fullResyncReason: '' });
    check.compare(ours, toLsn(5), digestAt(ours, 5));
    expect(check).toMatchObject({ reason: '', mismatch: undefined });
  });

  it('needs no resync where the master put itself right meanwhile', async () => {
    const { clock, check, ours } = differing();
    check.rebuilt(ours);
    check.compare(ours, toLsn(4), digestAt(ours, 4));
    await clock.advance(MINUTE_MS);
    expect(check).toMatchObject({ remedy: 'none', reason: '' });
  });

  it('is not taken for over while the memory that differed is still in use', () => {
    const { check, ours } = differing();
    check.compare(ours, toLsn(4), digestAt(ours, 4));
    expect(check).toMatchObject({ remedy: 'rebuild', isSuspect: true });
  });

  it('leads to a full resync at once where the disk here gives no state', () => {
    const { check } = differing();
    check.rebuildFailed(new Error('the snapshot is damaged'));
    expect(check).toMatchObject({ remedy: 'resync', isSuspect: true });
    expect(check.fullResyncReason).not.toBe('');
    check.resynced();
    expect(check.isSuspect).toBe(false);
  });

  it('that stays is tried less and less often, then only told', async () => {
    const { clock, check, ours } = differing();
    check.rebuilt(ours);
    const gapsMs: number[] = [];
    for (let tried = 1; tried <= RESYNCS_MAX; tried++) {
      let gapMs = 0;
      for (; check.remedy === 'none'; gapMs += 1_000) {
        check.compare(ours, toLsn(5), OTHER);
        await clock.advance(1_000);
      }
      gapsMs.push(gapMs);
      check.resynced();
    }
    expect(gapsMs).toEqual([10_000, MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS]);
    await clock.advance(100 * MINUTE_MS);
    check.compare(ours, toLsn(5), OTHER);
    expect(check).toMatchObject({ remedy: 'none', isSuspect: false });
    expect(check.reason).toContain('did not help');
    check.compare(ours, toLsn(5), digestAt(ours, 5));
    expect(check.reason).toBe('');
  });

  it('that comes back soon skips the rebuild, after a long peace it does not', async () => {
    const { clock, check } = differing();
    const right = windowOf('right');
    check.rebuilt(right);
    check.compare(right, toLsn(4), digestAt(right, 4));
    await clock.advance(5 * MINUTE_MS);
    check.compare(right, toLsn(5), OTHER);
    expect(check).toMatchObject({ remedy: 'resync', isSuspect: true });
    check.resynced();
    check.compare(right, toLsn(5), digestAt(right, 5));
    await clock.advance(11 * MINUTE_MS);
    check.compare(right, toLsn(5), OTHER);
    expect(check).toMatchObject({ remedy: 'rebuild', isSuspect: true });
  });
});

describe('memory found altered', () => {
  it('is rebuilt from the disk, whatever the digests say, and then right', () => {
    const check = new DigestCheck(new VirtualClock(), silentLogger);
    const ours = windowOf();
    check.distrust('a scrub found an altered value');
    check.compare(ours, toLsn(5), digestAt(ours, 5));
    expect(check).toMatchObject({ remedy: 'rebuild', isSuspect: true, mismatch: undefined });
    check.rebuilt(ours);
    expect(check).toMatchObject({ remedy: 'none', isSuspect: false, reason: '' });
  });
});
