import { describe, expect, it } from 'vitest';
import { ANONYMOUS, type Principal } from '#model/access.ts';
import { type BodyReservation, createBodyBudget, type NoRoom } from '#rpc/body-budget.ts';
import type { BodyCaller } from '#rpc/body-caller.ts';

const ANN: Principal = { ...ANONYMOUS, name: 'ann' };
const BOB: Principal = { ...ANONYMOUS, name: 'bob' };

function callerFrom(remoteAddress: string, principal: Principal = ANONYMOUS): BodyCaller {
  return { principal, peer: { remoteAddress, certificateNames: undefined } };
}

/**
 * Steps of bodies named by their caller, a letter, and a digit, with a budget of 100: `a=60` is
 * admitted with its length, `a+10` grew, `a.` was released; a `!` behind a step says that it is refused.
 */
function play(steps: string): { held: number; seen: number[]; refused: NoRoom[] } {
  const seen: number[] = [];
  const refused: NoRoom[] = [];
  const budget = createBodyBudget(100, {
    onBytes: (bytes) => seen.push(bytes),
    onRefused: (noRoom) => refused.push(noRoom),
  });
  const bodies = new Map<string, BodyReservation>();
  for (const step of steps.split(' ')) {
    const [, name = '', sign, digits = '', mark] = /^([a-z]\d?)([=+.])(\d*)(!?)$/.exec(step) ?? [];
    const body = bodies.get(name) ?? budget.reserve(callerFrom(name.slice(0, 1)));
    bodies.set(name, body);
    const act = (): void => {
      if (sign === '.') body.release();
      else if (sign === '=') body.admit(Number(digits));
      else body.grow(Number(digits));
    };
    if (mark === '!') expect(act, step).toThrow(/already, .*try again$/);
    else expect(act, step).not.toThrow();
  }
  return { held: budget.heldBytes(), seen, refused };
}

/** How many bodies of 80 came whole, in pieces of 20: each writer sends one a round, and begins again at once. */
function writesOf(writers: number, isLengthKnown: boolean): number {
  const budget = createBodyBudget(100);
  const begin = (i: number) => ({ body: budget.reserve(callerFrom(String(i))), bytes: 0 });
  const bodies = Array.from({ length: writers }, (_, i) => begin(i));
  let writes = 0;
  for (let step = 0; step < 200 * writers; step++) {
    const writer = bodies[step % writers];
    if (writer === undefined) break;
    try {
      if (!isLengthKnown) writer.body.grow(20);
      else if (writer.bytes === 0) writer.body.admit(80);
      writer.bytes += 20;
    } catch {
      writer.bytes = 0;
    }
    if (writer.bytes !== 80 && writer.bytes !== 0) continue;
    if (writer.bytes === 80) writes++;
    writer.body.release();
    Object.assign(writer, begin(step % writers));
  }
  return writes;
}

describe('the budget', () => {
  it.each([
    ['admits what fits', 'a=60 b=30', 90],
    ['refuses at once what does not fit', 'a=60 b=41! c=30', 90],
    ['never refuses one alone', 'a=160', 160],
    ['never refuses one alone that grows', 'a+90 a+70', 160],
    ['refuses others beside one that is larger than it', 'a=160 b=1! c+1!', 160],
    ['takes an empty body whatever is held', 'a=160 b=0 c+0', 160],
    ['gives back what was released, once', 'a=60 b=30 a. a. c=60', 90],
    ['counts nothing after the release', 'a=60 a. a=50 a+50', 0],
    ['gives back what a refused body held', 'a+50 b+40 b+11! c=40', 90],
    ['lets the oldest that grows be whole', 'a+50 b+40 a+50 b+1! a+50', 150],
    ['lets the next one be whole once the oldest has gone', 'a+40 b+40 c+10 a. b+40 b+40 c+1!', 120],
    ['lets it be whole beside bodies of known length', 'a+10 b=80 a+90', 180],
    ['refuses one that begins to grow where there is no room', 'a=100 b+1!', 100],
    ['lets only one be over it', 'a+50 b+40 a+50 b+50!', 100],
    ['counts what an admitted body expands to', 'a=50 b=40 a+70 b+70!', 120],
    ['never refuses what one alone expands to', 'a=60 a+90', 150],
    ['leaves something of what one caller takes to others', 'a1=40 a2=40 a3=9! b=11', 91],
    ['takes more of a caller where more is left', 'a1=40 a2=40 a3=8', 88],
    ['needs only room for a small first body of a caller', 'a=90 b=10', 100],
    ['holds a large first body of a caller to its share', 'a=20 b=72! c=71', 91],
    ['holds a first body that grows large to its share', 'a=60 c+1 b+11 b+25!', 61],
    ['leaves something of what two callers take', 'a1=40 b1=40 a2=15!', 80],
    ['forgets the bodies of a caller that were released', 'a1=40 a2=40 a1. a3=40', 80],
    ['counts what comes of a body of unknown length, too', 'a1+40 a2+40 a2+9!', 40],
    ['lets the oldest that grows be whole, whose it may be', 'a1+40 a2+40 a1+19', 99],
  ])('%s: %s', (_what, steps, held) => {
    expect(play(steps).held).toBe(held);
  });

  it.each(['known', 'unknown'])(
    'lets more writers make no fewer writes, of bodies of %s length',
    (length) => {
      const alone = writesOf(1, length === 'known');
      expect(alone).toBeGreaterThan(40);
      for (let writers = 2; writers <= 8; writers++) {
        expect(writesOf(writers, length === 'known'), `${writers} writers`).toBeGreaterThanOrEqual(alone);
      }
    },
  );

  it('tells what it admitted', () => {
    expect(play('a=60 b=41! c+30 c+0').seen).toEqual([60, 30]);
  });

  it('says of a refusal that it passes, and that nothing was done', () => {
    const budget = createBodyBudget(100);
    budget.reserve(callerFrom('a')).admit(100);
    const refused = (): void => budget.reserve(callerFrom('b')).admit(1);
    const details = { retryAfterS: 1, nothingDone: true };
    expect(refused).toThrow(expect.objectContaining({ code: 'resource_exhausted', details }));
  });

  it('tells for want of which room a body was refused', () => {
    expect(play('a1=40 a2=40 a3=9! b=21!').refused).toEqual(['caller', 'all']);
  });

  it.each<[string, BodyCaller, BodyCaller, boolean]>([
    ['one address', callerFrom('10.0.0.1'), callerFrom('10.0.0.1'), true],
    ['two addresses', callerFrom('10.0.0.1'), callerFrom('10.0.0.2'), false],
    ['one network of IPv6', callerFrom('2001:db8::1'), callerFrom('2001:db8::2'), true],
    ['one user at two addresses', callerFrom('10.0.0.1', ANN), callerFrom('10.0.0.2', ANN), true],
    ['one user with two tokens', callerFrom('10.0.0.1', ANN), callerFrom('10.0.0.2', { ...ANN }), true],
    ['two users at one address', callerFrom('10.0.0.1', ANN), callerFrom('10.0.0.1', BOB), false],
    [
      'a user called like a network',
      callerFrom('10.0.0.1', { ...ANN, name: '10.0.0.1' }),
      callerFrom('10.0.0.1'),
      false,
    ],
    ['a user and somebody unknown', callerFrom('10.0.0.1', ANN), callerFrom('10.0.0.1'), false],
  ])('counts %s as one caller or as two', (_what, first, second, isOne) => {
    const budget = createBodyBudget(100);
    budget.reserve(first).admit(85);
    const take = (): void => budget.reserve(second).admit(10);
    if (isOne) expect(take).toThrow('of this caller with 85 bytes');
    else expect(take).not.toThrow();
  });
});
