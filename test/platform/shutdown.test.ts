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
  it('takes repeats within two seconds for one signal, later ones for impatience', async () => {
    const clock = new VirtualClock();
    const source = new EventEmitter();
    const heard: string[] = [];
    const stop = listenForShutdown(
      clock,
      {
        onFirst: (signal) => heard.push(`first ${signal}`),
        onAgain: (signal) => heard.push(`again ${signal}`),
      },
      source as unknown as SignalSource,
    );
    source.emit('SIGINT', 'SIGINT');
    await clock.advance(1_999);
    source.emit('SIGTERM', 'SIGTERM');
    expect(heard).toEqual(['first SIGINT']);
    await clock.advance(1);
    source.emit('SIGTERM', 'SIGTERM');
    expect(heard).toEqual(['first SIGINT', 'again SIGTERM']);
    stop();
    expect(source.listenerCount('SIGINT')).toBe(0);
  });
});

describe('memoryLimitBytes', () => {
  it('is positive and at most the RAM', () => {
    expect(memoryLimitBytes()).toBeGreaterThan(0);
    expect(memoryLimitBytes()).toBeLessThanOrEqual(totalmem());
  });
});
