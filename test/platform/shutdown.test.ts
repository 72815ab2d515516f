import { EventEmitter } from 'node:events';
import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { CloserStack } from '#platform/closer-stack.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { listenForShutdown, type SignalSource } from '#platform/shutdown-signals.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

describe('CloserStack', () => {
  it('closes in reverse, every one, once, and gathers errors', async () => {
    const closed: string[] = [];
    const stack = new CloserStack();
    stack.push('log', async () => {
      await Promise.resolve();
      closed.push('log');
    });
    stack.push('store', () => {
      throw new Error('stuck');
    });
    stack.push('server', () => {
      closed.push('server');
    });
    const closing = stack.close();
    expect(stack.close()).toBe(closing);
    await expect(closing).rejects.toThrow('cannot close store: Error: stuck');
    expect(closed).toEqual(['server', 'log']);
    expect(() => stack.push('late', () => {})).toThrow('already closing');
  });
});

describe('listenForShutdown', () => {
  function listen({ isOnTerminal }: { isOnTerminal: boolean }) {
    const clock = new VirtualClock();
    const source = new EventEmitter();
    const heard: string[] = [];
    const shutdown = listenForShutdown(
      clock,
      {
        onFirst: (cause) => heard.push(`first ${cause}`),
        onAgain: (cause) => heard.push(`again ${cause}`),
        onHangUp: () => heard.push('hang-up'),
        onIgnored: (signal) => heard.push(`ignored ${signal}`),
      },
      { source: source as unknown as SignalSource, isOnTerminal },
    );
    return { clock, heard, shutdown, source, send: (signal: string) => source.emit(signal, signal) };
  }

  it('takes repeats within two seconds for one signal, later ones for impatience', async () => {
    const { clock, heard, shutdown, send, source } = listen({ isOnTerminal: true });
    send('SIGINT');
    await clock.advance(1_999);
    send('SIGTERM');
    expect(heard).toEqual(['first SIGINT']);
    await clock.advance(1);
    send('SIGTERM');
    expect(heard).toEqual(['first SIGINT', 'again SIGTERM']);
    shutdown.close();
    expect(source.eventNames()).toEqual([]);
  });

  it.each([
    ['SIGINT', true, 'first SIGINT'],
    ['SIGTERM', true, 'first SIGTERM'],
    ['SIGQUIT', true, 'first SIGQUIT'],
    ['SIGQUIT', false, 'first SIGQUIT'],
    ['SIGHUP', true, 'first SIGHUP'],
    ['SIGHUP', false, 'hang-up'],
    ['SIGUSR1', true, 'ignored SIGUSR1'],
    ['SIGUSR2', false, 'ignored SIGUSR2'],
  ])('answers %s on a terminal %s by: %s', (signal, isOnTerminal, expected) => {
    const { heard, send } = listen({ isOnTerminal });
    send(signal);
    expect(heard).toEqual([expected]);
  });

  it('stops for another cause as for a signal', () => {
    const { heard, shutdown, send } = listen({ isOnTerminal: false });
    send('SIGHUP');
    shutdown.stop('end of the launcher');
    send('SIGTERM');
    expect(heard).toEqual(['hang-up', 'first end of the launcher']);
  });
});

describe('memoryLimitBytes', () => {
  it('is positive and at most the RAM', () => {
    expect(memoryLimitBytes()).toBeGreaterThan(0);
    expect(memoryLimitBytes()).toBeLessThanOrEqual(totalmem());
  });
});
