/** What a process says to systemd. */
import { expect, it } from 'vitest';
import type { Logger } from '#platform/logger.ts';
import { silentLogger } from '#platform/logger.ts';
import { createServiceManager } from '../../cmd/run/service-manager.ts';

function told(env: Record<string, string>, error: Error | null = null) {
  const calls: string[] = [];
  const warnings: object[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
  const manager = createServiceManager(env, logger, (args, done) => {
    calls.push(args.join(' '));
    done(error);
  });
  manager.ready();
  manager.stopping();
  return { calls, warnings };
}

it('says that it is in service, and that it stops, where systemd asks for it', () => {
  expect(told({ NOTIFY_SOCKET: '/run/notify' })).toEqual({
    calls: ['--ready --status=in service', 'STOPPING=1'],
    warnings: [],
  });
});

it('tells nobody elsewhere', () => {
  expect([told({}).calls, told({ NOTIFY_SOCKET: '' }).calls]).toEqual([[], []]);
});

it('goes on where it cannot be told, and logs that', () => {
  const { warnings } = told({ NOTIFY_SOCKET: '/run/notify' }, new Error('spawn systemd-notify ENOENT'));
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toEqual({ reason: 'spawn systemd-notify ENOENT' });
});
