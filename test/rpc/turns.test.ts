/** What one turn of the event loop does for all connections together: counted, not timed. */
import { describe, expect, it } from 'vitest';
import { SettingId } from '#http/http2/frame.ts';
import { TURN_BYTES, Turns, type Writer } from '#rpc/turns.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { get, startDriver as startHttp1 } from '#test/rpc/http1/driven.ts';
import { type Driven, type DrivenPeer, head, ok, startDriver } from '#test/rpc/http2/driven.ts';

const MIB = 1 << 20;
const NO_WINDOW = [[SettingId.initialWindowSize, 0]] as const;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How much of `count` there was at once, and was new in each turn after it, until it stands still for some turns. */
async function perTurn(count: () => number): Promise<number[]> {
  const counts = [count()];
  for (let quiet = 0; quiet < 4 && counts.length < 1_000; ) {
    const before = count();
    await nextTurn();
    counts.push(count() - before);
    quiet = count() === before ? quiet + 1 : 0;
  }
  return counts;
}

function gather(bytes: number, count: number): { written: number[]; turns: Turns } {
  const turns = new Turns(new VirtualClock());
  const written: number[] = [];
  for (let i = 0; i < count; i++) {
    const writer: Writer = {
      isHeavy: bytes >= 65_536 && i % 2 === 0,
      flush: () => {
        written.push(i);
        return bytes;
      },
    };
    turns.write(writer);
  }
  return { written, turns };
}

describe('writes of many connections', () => {
  it('are so many bytes a turn, and none waits for ever', async () => {
    const { written } = gather(TURN_BYTES / 4, 100);
    const counts = await perTurn(() => written.length);
    expect(Math.max(...counts)).toBeLessThanOrEqual(5);
    expect(new Set(written).size).toBe(100);
  });

  it('that are small leave in one turn, and begin with those that were given little', async () => {
    const small = gather(100, 64);
    expect(Math.max(...(await perTurn(() => small.written.length)))).toBe(64);
    const large = gather(TURN_BYTES / 4, 8);
    await nextTurn();
    expect(large.written.slice(0, 4)).toEqual([1, 3, 5, 7]);
    expect(large.written).toContain(0);
  });
});

describe('the time of a turn', () => {
  /** A clock that goes on by 1 ms each time that it is read. */
  function start(): Turns {
    let reads = 0;
    return new Turns(Object.assign(new VirtualClock(), { monotonicMs: () => ++reads + 0.5 }));
  }

  it('is read once where the turn ends here, for those that write at its end too', async () => {
    const turns = start();
    turns.expect();
    const seen = [turns.nowMs, turns.nowMs];
    turns.write({ isHeavy: false, flush: () => seen.push(turns.nowMs) });
    turns.write({ isHeavy: false, flush: () => seen.push(turns.wholeMs) });
    await nextTurn();
    expect(seen).toEqual([1.5, 1.5, 1.5, 1]);
    turns.expect();
    expect(turns.nowMs).toBe(2.5);
  });

  it('is not kept by a turn that ends elsewhere', () => {
    const turns = start();
    expect([turns.nowMs, turns.nowMs]).toEqual([1.5, 2.5]);
    turns.expect();
    expect([turns.nowMs, turns.nowMs]).toEqual([3.5, 3.5]);
  });

  it('is not left to the next turn by one that wrote at the end of this one', async () => {
    const turns = start();
    const again = { isHeavy: false, flush: () => turns.wholeMs };
    turns.write({
      isHeavy: false,
      flush: () => {
        turns.write(again);
        return turns.wholeMs;
      },
    });
    await nextTurn();
    expect(turns.nowMs).toBe(2.5);
  });
});

describe('a turn', () => {
  it('that connections of one protocol have spent is spent for those of the other', async () => {
    const one = startHttp1();
    one.turns.spend(TURN_BYTES);
    const asked = one.open().send(get('/call'));
    await Promise.resolve();
    expect(one.calls).toHaveLength(0);
    await asked;
    expect(one.calls).toHaveLength(1);
  });
});

/** So many connections, each of which has asked for one answer and reads nothing. */
async function ask(driven: Driven, count: number): Promise<DrivenPeer[]> {
  const peers = await Promise.all(Array.from({ length: count }, () => driven.open(NO_WINDOW)));
  for (const { socket } of peers) socket.push(head(1, '/call', true));
  return peers;
}

describe('large answers', () => {
  it('to many connections are made a few a turn, each in the end', async () => {
    const driven = startDriver({ answerBytesMax: 1_000 * MIB });
    const answer = ok(Buffer.alloc(8 * MIB));
    driven.onCall = ({ exchange }) => exchange.answer(answer);
    await ask(driven, 40);
    const counts = await perTurn(() => driven.calls.length);
    expect(driven.calls.length).toBe(40);
    expect(Math.max(...counts)).toBeLessThanOrEqual(3);
  });

  it('let those with little pass', async () => {
    const driven = startDriver({ answerBytesMax: 1_000 * MIB });
    const [large, small] = [ok(Buffer.alloc(2 * MIB)), ok()];
    driven.onCall = ({ exchange, path }) => exchange.answer(path === '/call/small' ? small : large);
    const peers = await ask(driven, 40);
    await perTurn(() => driven.calls.length);
    // All of them are known to have much by now, and ask again.
    for (const { socket } of peers) socket.push(head(3, '/call', true));
    const other = await driven.open();
    other.socket.push(head(1, '/call/small', true));
    await nextTurn();
    await nextTurn();
    await nextTurn();
    expect(other.take().some((each) => each.startsWith('data 1'))).toBe(true);
  });

  it('that are made in slices are made one at a time for a connection', async () => {
    const driven = startDriver();
    const peer = await driven.open(NO_WINDOW);
    driven.onCall = ({ exchange }) => exchange.beginLarge?.();
    await peer.send(...[1, 3, 5, 7].map((id) => head(id, '/call', true)));
    expect(driven.calls.length).toBe(1);
    driven.calls[0]?.exchange.answer(ok());
    await driven.clock.settle();
    expect(driven.calls.length).toBe(2);
    // One whose stream was reset meanwhile counts until its work ends, too.
    driven.onCall = ({ exchange }) => exchange.answer(ok());
    driven.calls[1]?.exchange.destroy();
    await driven.clock.settle();
    expect(driven.calls.length).toBe(4);
  });
});

describe('small calls', () => {
  it('beyond a thousand in a turn wait for the next, and keep their order', async () => {
    const driven = startDriver();
    const answer = ok();
    const order: string[] = [];
    driven.onCall = ({ exchange, path }) => {
      order.push(path);
      exchange.answer(answer);
    };
    const peers = await Promise.all(Array.from({ length: 8 }, () => driven.open()));
    for (const { socket } of peers) {
      socket.push(Buffer.concat(Array.from({ length: 256 }, (_, i) => head(2 * i + 1, `/call/${i}`, true))));
    }
    const counts = await perTurn(() => driven.calls.length);
    expect(driven.calls.length).toBe(8 * 256);
    expect(Math.max(...counts)).toBeLessThanOrEqual(2 * (TURN_BYTES / 1_024));
    for (let i = 0; i < 256; i++) expect(order.filter((path) => path === `/call/${i}`)).toHaveLength(8);
    expect(order.filter((_, at) => at < 256)).toEqual(Array.from({ length: 256 }, (_, i) => `/call/${i}`));
  });
});
