/** The queue and the breaker of a group, and names for writes that span both. */
import { describe, expect, it } from 'vitest';
import { CONNECTIONS_MAX } from '#dial/http2/http2-client.ts';
import { Hold } from '#routing/hold.ts';
import { OwnNames, SEQUENCES_OPEN_MAX } from '#routing/own-names.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

function open(log = { held: (): void => undefined, released: (): void => undefined }): {
  clock: VirtualClock;
  hold: Hold;
} {
  const clock = new VirtualClock();
  const limits = { callsMax: 2, bytesMax: 100 };
  return { clock, hold: new Hold({ name: 'g1', limits, clock, random: new SeededRandom(1), log }) };
}

describe('the queue of a group', () => {
  it('lets as many attempts go at once as the connections to a node carry, and one for each that ends', async () => {
    const { hold } = open();
    for (let i = 0; i < CONNECTIONS_MAX * 256; i++) expect(hold.enter(1_000, undefined)).toBeUndefined();
    let gone = 0;
    const waiting = [1, 2].map(() => hold.enter(1_000, undefined)?.then(() => gone++));
    hold.onAnswer();
    await Promise.race(waiting);
    expect(gone).toBe(1);
    hold.onAnswer();
    await Promise.all(waiting);
    expect(gone).toBe(2);
  });

  it('opens after three failures in a row, and lets one ask after a pause', async () => {
    const { clock, hold } = open();
    for (let i = 0; i < 3; i++) {
      expect(hold.enter(10_000, undefined)).toBeUndefined();
      hold.onFailure();
    }
    let gone = 0;
    for (let i = 0; i < 5; i++) void hold.enter(10_000, undefined)?.then(() => gone++);
    await clock.settle();
    expect([hold.isOpen, gone]).toEqual([true, 0]);
    await clock.advance(25);
    expect(gone).toBe(1);
    hold.onFailure();
    await clock.advance(20);
    expect(gone).toBe(1);
    await clock.advance(30);
    expect(gone).toBe(2);
    hold.onAnswer();
    await clock.settle();
    expect([hold.isOpen, gone]).toEqual([false, 5]);
  });

  it('refuses who waits, and who would have to, once the process is about to stop', async () => {
    const { clock, hold } = open();
    for (let i = 0; i < 3; i++) {
      void hold.enter(10_000, undefined);
      hold.onFailure();
    }
    const waiting = [1, 2].map(() => hold.enter(10_000, undefined)?.catch((error: unknown) => error));
    hold.stop();
    await clock.settle();
    waiting.push(hold.enter(10_000, undefined)?.catch((error: unknown) => error));
    const refused = { code: 'unavailable', message: 'this process stops: ask another one' };
    expect(await Promise.all(waiting)).toMatchObject([refused, refused, refused]);
    expect(hold.isOpen).toBe(true);
    hold.onAnswer();
    // A group that answers is called until the process has ended.
    expect(hold.enter(10_000, undefined)).toBeUndefined();
  });

  it('tells that calls go on once the group has answered, and not where nobody waits any more', async () => {
    const told: string[] = [];
    const { clock, hold } = open({ held: () => told.push('held'), released: () => told.push('released') });
    for (let i = 0; i < 3; i++) {
      void hold.enter(1, undefined);
      hold.onFailure();
    }
    await clock.advance(10_000);
    expect([hold.isOpen, told]).toEqual([false, ['held']]);
    void hold.enter(1, undefined);
    hold.onAnswer();
    expect(told).toEqual(['held', 'released']);
  });

  it('lets another ask where the one before does not come back, ever more slowly', async () => {
    const { clock, hold } = open();
    for (let i = 0; i < 3; i++) {
      void hold.enter(1, undefined);
      hold.onFailure();
    }
    let gone = 0;
    for (let i = 0; i < 100; i++) void hold.enter(60_000, undefined)?.then(() => gone++);
    await clock.advance(10_000);
    expect(gone).toBeGreaterThan(20);
    expect(gone).toBeLessThan(50);
    hold.onChange();
    await clock.advance(100);
    const atChange = gone;
    await clock.advance(200);
    expect(gone).toBeGreaterThan(atChange);
  });

  it('forgets that the group failed once another node leads, or nobody calls for long', async () => {
    const { clock, hold } = open();
    const fail = (): void => {
      void hold.enter(1, undefined);
      hold.onFailure();
    };
    for (let i = 0; i < 3; i++) fail();
    hold.onChange();
    expect([hold.isOpen, hold.enter(1, undefined)]).toEqual([false, undefined]);
    hold.onFailure();
    expect(hold.isOpen).toBe(true);
    await clock.advance(4_999);
    expect(hold.isOpen).toBe(true);
    await clock.advance(1);
    expect([hold.isOpen, hold.enter(1, undefined)]).toEqual([false, undefined]);
  });

  it('lets one ask at once when the map changes', async () => {
    const { clock, hold } = open();
    for (let i = 0; i < 3; i++) {
      void hold.enter(1, undefined);
      hold.onFailure();
    }
    let gone = 0;
    for (let i = 0; i < 5; i++) void hold.enter(10_000, undefined)?.then(() => gone++);
    hold.onChange();
    await clock.settle();
    expect(gone).toBe(1);
  });

  it('ends a wait at its time and with its caller', async () => {
    const { clock, hold } = open();
    for (let i = 0; i < 3; i++) {
      void hold.enter(1, undefined);
      hold.onFailure();
    }
    const caller = new AbortController();
    const codes: string[] = [];
    const note = (error: { code: string }): number => codes.push(error.code);
    // Those before them ask first, and do not come back.
    for (let i = 0; i < 50; i++) void hold.enter(10_000, undefined)?.catch(() => undefined);
    void hold.enter(100, undefined)?.catch(note);
    void hold.enter(5_000, caller.signal)?.catch(note);
    await clock.advance(100);
    caller.abort();
    await clock.settle();
    expect(codes).toEqual(['unavailable', 'cancelled']);
  });

  it('learns nothing from a caller that gives up', async () => {
    const { clock, hold } = open();
    for (let i = 0; i < 5; i++) {
      expect(hold.enter(1_000, undefined)).toBeUndefined();
      hold.onGivenUp();
    }
    expect(hold.isOpen).toBe(false);
    for (let i = 0; i < 3; i++) {
      void hold.enter(1, undefined);
      hold.onFailure();
    }
    let gone = 0;
    for (let i = 0; i < 2; i++) void hold.enter(10_000, undefined)?.then(() => gone++);
    await clock.advance(30);
    hold.onGivenUp();
    expect([hold.isOpen, gone]).toEqual([true, 1]);
    await clock.advance(100);
    expect(gone).toBe(2);
  });

  it('lets the next one ask at once where a replica was asked, without shorter or longer pauses', async () => {
    const { clock, hold } = open();
    expect(hold.enter(1_000, undefined)).toBeUndefined();
    hold.onReplica();
    for (let i = 0; i < 3; i++) {
      void hold.enter(1, undefined);
      hold.onFailure();
    }
    let gone = 0;
    for (let i = 0; i < 200; i++) void hold.enter(60_000, undefined)?.then(() => gone++);
    await clock.advance(25);
    expect(gone).toBe(1);
    for (let i = 0; i < 100; i++) hold.onReplica();
    await clock.settle();
    expect([hold.isOpen, gone]).toEqual([true, 101]);
    await clock.advance(24);
    expect(gone).toBe(101);
    await clock.advance(26);
    expect(gone).toBe(102);
  });

  it('takes so many calls and bytes, and one that alone is larger', () => {
    const { hold } = open();
    hold.begin(1_000);
    expect(() => hold.begin(1)).toThrow('gateway.held_bytes 100');
    hold.end(1_000);
    hold.begin(50);
    hold.begin(50);
    expect(() => hold.begin(0)).toThrow('gateway.held_calls 2');
    hold.end(50);
    hold.end(50);
    expect([hold.calls, hold.bytes]).toEqual([0, 0]);
  });
});

describe('names of writes', () => {
  it('rise, and say up to which all are answered', () => {
    const names = new OwnNames(new SeededRandom(1));
    const first = names.take(2);
    const second = names.take(1);
    expect(first.names.map(({ sequence, answeredThrough }) => [sequence, answeredThrough])).toEqual([
      [1, 0],
      [2, 0],
    ]);
    second.release();
    expect(names.take(1).names[0]).toMatchObject({ sequence: 4, answeredThrough: 0 });
    first.release();
    expect(names.take(1).names[0]).toMatchObject({ sequence: 5, answeredThrough: 3 });
  });

  it('use another client where one write stays open for long', () => {
    const names = new OwnNames(new SeededRandom(1));
    const slow = names.take(1);
    for (let i = 1; i < SEQUENCES_OPEN_MAX; i++) names.take(1).release();
    expect(names.clients).toBe(1);
    const other = names.take(1);
    expect(names.clients).toBe(2);
    expect(other.names[0]?.clientId).not.toBe(slow.names[0]?.clientId);
    slow.release();
    expect(names.take(1).names[0]).toMatchObject({ sequence: SEQUENCES_OPEN_MAX + 1 });
  });
});
