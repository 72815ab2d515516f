import { describe, expect, it } from 'vitest';
import { createLogger, type LogFormat, type LogLevel } from '#platform/create-logger.ts';

function capture(options: { level?: LogLevel; format?: LogFormat; isTTY?: boolean; env?: object } = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    level: options.level ?? 'info',
    format: options.format ?? 'auto',
    fields: { node: 'n1' },
    destination: { isTTY: options.isTTY ?? false, write: (line) => lines.push(line) },
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

  it('colours terminals unless NO_COLOR is set', () => {
    const show = (isTTY: boolean, env: object): string => {
      const { lines, logger } = capture({ format: 'pretty', isTTY, env });
      logger.info({}, 'hello');
      return lines.join('');
    };
    expect(show(true, {})).toContain('\u001b[');
    expect(show(true, { NO_COLOR: '1' })).not.toContain('\u001b[');
    expect(show(false, {})).not.toContain('\u001b[');
  });
});
