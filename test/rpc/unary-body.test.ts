import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { createBodyBudget } from '#rpc/body-budget.ts';
import type { BodySink } from '#rpc/body-sink.ts';
import { NO_PEER } from '#rpc/peer.ts';
import { anonymousCall } from '#rpc/rpc-call.ts';
import { readBody } from '#rpc/unary/body.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

/** A peer that sends what the test says. */
function peer() {
  const state = { isDiscarded: false };
  const closed: ((isAnswered: boolean) => void)[] = [];
  let sink: BodySink | undefined;
  const exchange: Exchange = {
    headers: {},
    read: (given) => {
      sink = given;
    },
    discard: () => {
      state.isDiscarded = true;
    },
    onClose: (callback) => closed.push(callback),
    answer: () => {},
    destroy: () => {},
  };
  return {
    exchange,
    state,
    send: (text: string) => sink?.onChunk(Buffer.from(text)),
    end: (isWhole = true) => sink?.onEnd(isWhole),
    close: () => {
      for (const callback of closed) callback(false);
    },
  };
}

function reading(length: number | undefined, { budgetBytes = 1_000, bytesMax = 100 } = {}) {
  const budget = createBodyBudget(budgetBytes);
  const one = peer();
  const outcome: { body?: string; error?: ConnectError } = {};
  const start = (exchange: Exchange, into = outcome): void =>
    readBody(exchange, length, {
      reservation: budget.reserve(anonymousCall(NO_PEER)),
      bytesMax,
      clock: new VirtualClock(),
      lengthFrom: (chunk) => (chunk[0] === 0x35 ? 5 : undefined),
      tooLong: (promised) => new ConnectError(`too long: ${promised}`, Code.ResourceExhausted),
      onWhole: (body) => {
        into.body = Buffer.from(body).toString();
      },
      onFailed: (error) => {
        into.error = ConnectError.from(error);
      },
    });
  start(one.exchange);
  return { ...one, budget, outcome, start };
}

describe('a body in one piece', () => {
  it.each([
    ['of promised length', 5, '{"a"}'],
    ['that tells its own length', undefined, '5abcd'],
  ])('%s is taken as it is, and costs no budget', (_name, length, text) => {
    const { send, end, outcome, budget } = reading(length);
    send(text);
    expect(budget.heldBytes()).toBe(0);
    end();
    expect(outcome).toEqual({ body: text });
  });

  it('is not taken for whole where its stream was cut, whatever came of it', () => {
    const { send, end, outcome } = reading(undefined);
    send('{"a"');
    end(false);
    expect(outcome.body).toBeUndefined();
    expect(outcome.error?.code).toBe(Code.Canceled);
    end();
    expect(outcome.body).toBeUndefined();
  });

  it('may be empty', () => {
    const { end, outcome } = reading(undefined);
    end();
    expect(outcome).toEqual({ body: '' });
  });
});

describe('a body that is waited for', () => {
  it('counts with its promised length until it is answered or gone', () => {
    const { exchange, send, end, close, outcome, budget, start } = reading(60, { budgetBytes: 100 });
    expect(exchange).toBeDefined();
    send('{');
    expect(budget.heldBytes()).toBe(60);

    const another = peer();
    const refused: typeof outcome = {};
    start(another.exchange, refused);
    another.send('{');
    expect(refused.error?.message).toContain('60 bytes are being received already');
    expect(another.state.isDiscarded).toBe(true);
    another.send('}');
    another.end();
    another.close();
    expect(refused.body).toBeUndefined();
    expect(budget.heldBytes()).toBe(60);

    send('x'.repeat(59));
    end();
    expect(outcome.body?.length).toBe(60);
    close();
    expect(budget.heldBytes()).toBe(0);
    expect(outcome.error).toBeUndefined();
  });

  it('counts as it comes where nobody knows its length', () => {
    const { send, close, outcome, budget } = reading(undefined);
    send('abc');
    send('defg');
    expect(budget.heldBytes()).toBe(7);
    close();
    expect(budget.heldBytes()).toBe(0);
    expect(outcome.error?.code).toBe(Code.Canceled);
  });
});

describe('a body that breaks its word', () => {
  it('is refused unread where it promises too much', () => {
    const { outcome, state } = reading(101);
    expect(outcome.error?.rawMessage).toBe('too long: 101');
    expect(state.isDiscarded).toBe(true);
  });

  it('is refused as soon as it has too much', () => {
    const { outcome, send, state } = reading(undefined);
    send('x'.repeat(60));
    expect(outcome.error).toBeUndefined();
    send('x'.repeat(60));
    expect(outcome.error?.code).toBe(Code.ResourceExhausted);
    expect(state.isDiscarded).toBe(true);
  });

  it('is refused with more or less than it promised', () => {
    const more = reading(3);
    more.send('abcd');
    expect(more.outcome.error?.rawMessage).toBe('protocol error: promised 3 bytes, received 4');
    const less = reading(3);
    less.send('ab');
    less.end();
    expect(less.outcome.error?.rawMessage).toBe('protocol error: promised 3 bytes, received 2');
  });
});
