/** What the start warns of in the configuration of TLS. */
import { expect, it } from 'vitest';
import type { Logger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { openNodeTls } from '../../cmd/node/node-tls.ts';

it.each([
  ['optional', 'require', [expect.stringMatching(/client_auth: require does not apply to clear text/)]],
  ['optional', 'request', []],
  ['required', 'require', []],
] as const)('tls.mode %s with tls.client_auth %s', async (mode, clientAuth, expected) => {
  const fileSystem = new MemoryFileSystem();
  const authority = new Authority();
  const texts = { ...authority.issue(), ca: authority.cert };
  for (const [name, text] of Object.entries(texts)) {
    const file = await fileSystem.open(`/${name}`, 'replace');
    await file.write(Buffer.from(text), 0);
    await file.close();
  }
  const warned: string[] = [];
  const logger = { warn: (_: object, message: string) => void warned.push(message) } as unknown as Logger;
  const closers: (() => void)[] = [];
  const tls = { mode, clientAuth, cert: '/cert', key: '/key', clientCa: '/ca' };
  await openNodeTls(
    { server: { tls }, peer: { tls: {} }, auth: {} } as unknown as Parameters<typeof openNodeTls>[0],
    {
      fileSystem,
      clock: new VirtualClock({ wallMs: Date.now() }),
      logger,
      metrics: new Metrics(),
      closers: { push: (_: string, close: () => void) => void closers.push(close) },
    } as unknown as Parameters<typeof openNodeTls>[1],
  );
  for (const close of closers) close();
  expect(warned).toEqual(expected);
});
