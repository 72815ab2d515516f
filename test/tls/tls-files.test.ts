/** The files of TLS while they change: a pair is taken whole, or not at all. */
import { describe, expect, it } from 'vitest';
import type { Logger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { SecretFileError } from '#platform/secret-file.ts';
import { Authority, type Issued } from '#test/doubles/certificates.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { TlsFiles } from '#tls/tls-files.ts';
import { registerTlsMetrics } from '#tls/tls-metrics.ts';

const PATHS = { cert: '/node.crt', key: '/node.key', ca: '/ca.crt' };
const DAY_MS = 86_400_000;
const NEVER = 4_000_000_000_000;

/** `ca`: null where the section names no authorities. */
async function open(first: Issued, ca: string | null = authorityUntil('test authority', NEVER)) {
  const fileSystem = new MemoryFileSystem();
  const clock = new VirtualClock();
  const lines: string[] = [];
  const note = (fields: Readonly<Record<string, unknown>>, message: string): void =>
    void lines.push(
      [message, fields['authority'] ?? [], fields['reason'] ?? fields['why'] ?? []].flat().join(': '),
    );
  const logger: Logger = {
    debug: note,
    info: note,
    warn: note,
    error: note,
    fatal: note,
    child: () => logger,
  };
  const write = async (path: string, text: string): Promise<void> => {
    const file = await fileSystem.open(path, 'replace');
    await file.write(Buffer.from(text), 0);
    await file.close();
  };
  await write(PATHS.cert, first.cert);
  await write(PATHS.key, first.key);
  if (ca !== null) await write(PATHS.ca, ca);
  const paths = ca === null ? { ...PATHS, ca: undefined } : PATHS;
  const files = await TlsFiles.open({ fileSystem, clock, logger, section: 'server.tls', paths });
  const changes: (string | undefined)[] = [];
  files.onChange(({ parts }) => void changes.push(parts.cert));
  const metrics = new Metrics();
  registerTlsMetrics(metrics, [files]);
  const gauge = async (name: string, more = ''): Promise<number> =>
    Number(
      new RegExp(`^${name}\\{section="server.tls"${more}\\} (.*)$`, 'm').exec(await metrics.render())?.[1],
    );
  const expiry = (certificate: 'own' | 'authority'): Promise<number> =>
    gauge('walnut_tls_certificate_expiry_seconds', `,certificate="${certificate}"`);
  return { files, clock, write, lines, changes, gauge, expiry };
}

const authorityUntil = (name: string, ms: number): string =>
  new Authority(name, undefined, { from: new Date(0), to: new Date(ms) }).cert;

const validUntil = (ms: number): Issued =>
  new Authority().issue({ cn: 'n', from: new Date(0), to: new Date(ms) });

describe('the files of TLS', () => {
  it('are taken as a pair: one new file alone changes nothing and is told', async () => {
    const [old, fresh] = [new Authority().issue(), new Authority().issue()];
    const { files, clock, write, lines, changes, gauge } = await open(old);
    await write(PATHS.cert, fresh.cert);
    await clock.advance(1_000);
    expect([files.isGood, lines.filter((line) => line.includes('cannot be used'))]).toEqual([true, []]);
    await clock.advance(1_000);
    expect([files.current.parts.cert, files.isGood, await gauge('walnut_tls_ok')]).toEqual([
      old.cert,
      false,
      0,
    ]);
    expect(lines.at(-1)).toContain('those before stay in force: /node.key does not belong to the first');
    await write(PATHS.key, fresh.key);
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect([changes, files.isGood, await gauge('walnut_tls_ok')]).toEqual([[fresh.cert], true, 1]);
    files.close();
  });

  it('that change the authorities only are a change', async () => {
    const { files, clock, write, changes } = await open(new Authority().issue());
    const { cert } = new Authority();
    await write(PATHS.ca, cert);
    await clock.advance(2_000);
    await clock.advance(1_000);
    expect([changes.length, files.current.parts.ca]).toEqual([1, cert]);
    files.close();
  });

  it('tell which authority has expired, at the start and when it comes later', async () => {
    const nowMs = new VirtualClock().wallMs();
    const old = authorityUntil('old clients', nowMs - DAY_MS);
    const told = expect.stringMatching(
      /^an authority may not be used now: .*: CN=old clients: it expired at /,
    );
    const { files, clock, write, lines } = await open(validUntil(nowMs + DAY_MS));
    expect(lines).toEqual([]);
    await write(PATHS.ca, authorityUntil('new clients', NEVER) + old);
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect(lines).toEqual(['the certificates changed', told]);
    files.close();
    expect((await open(validUntil(nowMs + DAY_MS), old)).lines).toEqual([told]);
  });

  it('tell when the certificate expires, and keep one that is valid while the new one is not', async () => {
    const nowMs = new VirtualClock().wallMs();
    const { files, clock, write, lines, gauge, expiry } = await open(validUntil(nowMs + DAY_MS));
    expect([lines, await expiry('own')]).toEqual([[], 86_400]);
    const late = validUntil(nowMs - DAY_MS);
    await write(PATHS.cert, late.cert);
    await write(PATHS.key, late.key);
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect(lines).toEqual([
      expect.stringMatching(
        /^changed certificates cannot be used: .*: \/node.crt: it expired at .*valid now$/,
      ),
    ]);
    expect([await expiry('own'), await gauge('walnut_tls_ok')]).toEqual([86_398, 0]);
    clock.setWall(nowMs + DAY_MS);
    await clock.advance(1_000);
    expect(lines.slice(1)).toEqual([
      'the certificates changed',
      expect.stringMatching(/^the certificate may not be used now: it expired at /),
    ]);
    expect(await expiry('own')).toBeLessThan(-86_400);
    files.close();
    expect((await open(late)).lines).toEqual([
      expect.stringMatching(/^the certificate may not be used now: it expired at /),
    ]);
  });

  it('tell when the first of the authorities expires, and nothing where there is none', async () => {
    const nowMs = new VirtualClock().wallMs();
    const authorities = [3, 1, 2].map((days) => authorityUntil('clients', nowMs + days * DAY_MS)).join('');
    const { files, expiry } = await open(validUntil(nowMs + 9 * DAY_MS), authorities);
    expect(await expiry('authority')).toBe(86_400);
    files.close();
    expect((await open(validUntil(nowMs + DAY_MS), null)).files.expiryS).toEqual({ own: 86_400 });
  });

  it('that cannot be used end the start, by name', async () => {
    const { cert } = new Authority().issue();
    await expect(open({ cert, key: 'none' })).rejects.toThrow(SecretFileError);
    await expect(open({ cert, key: 'none' })).rejects.toThrow(
      'server.tls: /node.key: expected a private key',
    );
  });
});
