import { describe, expect, it } from 'vitest';
import { createLogger, type LogFormat, type LogLevel } from '#platform/create-logger.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

function capture(options: { level?: LogLevel; format?: LogFormat; isTTY?: boolean; env?: object } = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    level: options.level ?? 'info',
    format: options.format ?? 'auto',
    fields: { node: 'n1' },
    destination: {
      isTerminal: options.isTTY ?? false,
      tryWrite: (bytes) => {
        lines.push(Buffer.from(bytes).toString());
        return bytes.length;
      },
    },
    env: (options.env ?? {}) as Record<string, string>,
  });
  return { lines, logger };
}

describe('createLogger', () => {
  it('writes one JSON object a line, with fields of parents and an ISO time', () => {
    const { lines, logger } = capture();
    logger.child({ room: 'wal' }).warn({ lsn: 7 }, 'torn tail');
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    expect(line).toMatchObject({ level: 'warn', node: 'n1', room: 'wal', lsn: 7, msg: 'torn tail' });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it('keeps message and cause of errors', () => {
    const { lines, logger } = capture();
    logger.error({ error: new Error('disk', { cause: new Error('EIO') }) }, 'stopping');
    expect(lines[0]).toContain('disk');
    expect(lines[0]).toContain('EIO');
  });

  it('never throws: fields that cannot be shown are left out', () => {
    const { lines, logger } = capture();
    const hostile = {
      get lsn(): number {
        throw new Error('closed');
      },
    };
    logger.info(hostile, 'recovered');
    logger.info({ count: 1n, circle: logger }, 'again');
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'recovered', fields: 'cannot be shown: closed' });
  });

  it.each(['json', 'pretty'] as const)('says in %s how many lines could not be written', (format) => {
    let text = '';
    let isFull = true;
    const logger = createLogger({
      level: 'info',
      format,
      clock: new VirtualClock(),
      destination: {
        isTerminal: false,
        tryWrite: (bytes) => {
          if (isFull) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
          text += Buffer.from(bytes).toString();
          return bytes.length;
        },
      },
    });
    logger.info({}, 'lost');
    expect(logger.droppedLines).toBe(1);
    isFull = false;
    logger.child({}).info({}, 'kept');
    const [gap = '', kept = ''] = text.trimEnd().split('\n');
    expect(gap).toContain('log lines were dropped here');
    expect(gap).toContain('ENOSPC');
    expect(kept).toContain('kept');
  });

  it('lets a line through five times in ten seconds, children together, then says how many it left out', async () => {
    const lines: string[] = [];
    const clock = new VirtualClock();
    const tryWrite = (bytes: Uint8Array): number => {
      lines.push(Buffer.from(bytes).toString());
      return bytes.length;
    };
    const logger = createLogger({
      level: 'info',
      format: 'json',
      clock,
      destination: { isTerminal: false, tryWrite },
    });
    for (let n = 0; n < 10; n++) logger.child({ n }).warn({}, 'again');
    logger.error({}, 'another');
    // A line below the level takes no part.
    for (let n = 0; n < 10; n++) logger.debug({}, 'quiet');
    expect(lines).toHaveLength(6);
    await clock.advance(10_000);
    logger.info({ lsn: 1 }, 'again');
    expect(JSON.parse(lines[6] ?? '')).toMatchObject({ msg: 'again', lsn: 1, leftOut: 5 });
    for (let n = 0; n < 10; n++) logger.fatal({}, 'the end');
    expect(lines).toHaveLength(17);
  });

  it('keeps hostile fields on their line', () => {
    const { lines, logger } = capture({ format: 'pretty' });
    logger.info({ key: 'a\n{"level":"fatal"}\u001b[31m' }, 'got');
    expect(lines.join('').trimEnd().split('\n')).toHaveLength(1);
    expect(lines.join('')).not.toContain('\u001b');
  });

  it('changes the level of living children too', () => {
    const { lines, logger } = capture({ level: 'error' });
    const child = logger.child({});
    child.info({}, 'no');
    logger.setLevel('debug');
    child.debug({}, 'yes');
    logger.setLevel('silent');
    child.fatal({}, 'no');
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['yes']);
    expect(logger.level).toBe('silent');
  });

  it.each([
    { format: 'auto', isTTY: false, isJson: true },
    { format: 'auto', isTTY: true, isJson: false },
    { format: 'json', isTTY: true, isJson: true },
    { format: 'pretty', isTTY: false, isJson: false },
  ] as const)('at $format with a terminal $isTTY: JSON $isJson', ({ format, isTTY, isJson }) => {
    const { lines, logger } = capture({ format, isTTY });
    logger.info({ a: 1 }, 'hello');
    expect(lines.join('').startsWith('{')).toBe(isJson);
    expect(lines.join('')).toContain('hello');
  });

  it('colours terminals unless NO_COLOR is set, or they know no colours', () => {
    const show = (isTTY: boolean, env: object): string => {
      const { lines, logger } = capture({ format: 'pretty', isTTY, env });
      logger.info({}, 'hello');
      return lines.join('');
    };
    expect(show(true, {})).toContain('\u001b[');
    expect(show(true, { NO_COLOR: '1' })).not.toContain('\u001b[');
    expect(show(true, { TERM: 'dumb' })).not.toContain('\u001b[');
    expect(show(false, {})).not.toContain('\u001b[');
  });
});
