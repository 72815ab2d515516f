/** What a running process changes of its configuration, and what it refuses. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#config/config-error.ts';
import { WalnutError } from '#model/errors.ts';
import { type LogFields, silentLogger } from '#platform/logger.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { Settings } from '../../cmd/run/settings.ts';

const FILE = 'wal: { directory: d }\nreplication: { max_lag: 3s }\n';

function open(text = FILE) {
  const logged: string[] = [];
  const note =
    (level: string) =>
    (fields: LogFields, message: string): void => {
      logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  const file = { text, answer: Promise.resolve() };
  const clock = new VirtualClock();
  const settings = new Settings({
    source: { kind: 'master', file: 'f.yaml', text, env: { WALNUT_LOG__LEVEL: 'warn' } },
    readText: async () => {
      await file.answer;
      if (file.text === '') throw new ConfigError(['f.yaml: ENOENT']);
      return file.text;
    },
    clock,
    logger: { ...silentLogger, info: note('info'), warn: note('warn'), error: note('error') },
  });
  const applied: string[] = [];
  settings.follow('log.level', ({ log }) => {
    applied.push(log.level);
    logged.push(`level ${log.level}`);
  });
  settings.follow('replication.max_lag', ({ replication }) => applied.push(`${replication.lagMsMax} ms`));
  settings.follow('server.slow_log.threshold', ({ server }) =>
    applied.push(`${server.slowLog.thresholdMs} ms`),
  );
  const change = (changes: Record<string, string>) => settings.change(new Map(Object.entries(changes)));
  const refusal = async (changes: Record<string, string>): Promise<string> => {
    try {
      await change(changes);
    } catch (error) {
      if (error instanceof WalnutError) return `${error.code}: ${error.message}`;
      throw error;
    }
    throw new Error('changed, against expectation');
  };
  return { settings, file, clock, logged, applied, change, refusal };
}

describe('change', () => {
  it('shows the keys that can be changed, with their values and where each was set', async () => {
    const { settings, change } = open();
    expect(settings.list()).toEqual([
      { key: 'log.level', value: 'warn', origin: 'WALNUT_LOG__LEVEL' },
      { key: 'replication.max_lag', value: '3s', origin: 'f.yaml:2:25' },
      { key: 'server.slow_log.threshold', value: '100ms', origin: 'default' },
    ]);
    expect(await change({})).toEqual(settings.list());
  });

  it('applies what differs, in force from then on, and logs it', async () => {
    const { change, applied, logged, settings } = open();
    await change({ 'log.level': 'debug', 'replication.max_lag': '3000ms' });
    expect(applied).toEqual(['debug']);
    expect(settings.config.log.level).toBe('debug');
    expect(logged).toEqual([
      'level debug',
      'warn a setting was changed {"key":"log.level","was":"warn","value":"debug","origin":"SetConfig log.level"}',
    ]);
    const now = await change({ 'server.slow_log.threshold': '20ms' });
    expect(applied).toEqual(['debug', '20 ms']);
    expect(now.map(({ value }) => value)).toEqual(['debug', '3s', '20ms']);
  });

  it('logs a higher level, and what changes with it, before the level hides that', async () => {
    const { change, logged, settings, file } = open();
    await change({ 'log.level': 'silent', 'replication.max_lag': '9s' });
    const lines = logged.map((line) => line.split(' ', 5).join(' '));
    expect(lines).toEqual(['warn a setting was changed', 'warn a setting was changed', 'level silent']);
    logged.length = 0;
    file.text = `${FILE}log: { level: error }\n`;
    await settings.reload();
    expect(logged[0]).toBe('level warn');
    expect(logged.at(-1)).toMatch(/^info the configuration was read again/);
  });

  it.each([
    [
      { 'log.level': 'loud' },
      /^invalid_argument: SetConfig log\.level: expected one of debug, info, .*got "loud"/,
    ],
    [{ 'log.levl': 'info' }, /^invalid_argument: "log\.levl" is no key: these can be changed: log\.level, /],
    [{ constructor: 'x' }, /^invalid_argument: "constructor" is no key/],
    [{ 'wal.fsync': 'never' }, /^failed_precondition: wal\.fsync needs a restart; these can be changed: log/],
    [
      { 'log.level': 'debug', 'replication.max_lag': '0s' },
      /^invalid_argument: SetConfig replication\.max_lag/,
    ],
  ])('refuses %j whole', async (changes, message) => {
    const { refusal, applied, change } = open();
    expect(await refusal(changes as unknown as Record<string, string>)).toMatch(message);
    expect(applied).toEqual([]);
    expect((await change({})).map(({ value }) => value)).toEqual(['warn', '3s', '100ms']);
  });
});

describe('keys of a group', () => {
  const KEYS = ['storage.max_entries', 'storage.eviction_scope'];

  /** A group that has the limits of `inForce`, and refuses every change where `refusal` says so. */
  function openGroup(refusal?: WalnutError) {
    const parts = open();
    let inForce = new Map([
      ['storage.max_entries', '500'],
      ['storage.eviction_scope', 'all'],
    ]);
    const changed: string[] = [];
    parts.settings.followGroup({
      keys: KEYS,
      inForce: () => inForce,
      change: async ({ storage }) => {
        await Promise.resolve();
        if (refusal !== undefined) throw refusal;
        changed.push(`${storage.entriesMax} ${storage.evictionScope}`);
        inForce = new Map([
          ['storage.max_entries', `${storage.entriesMax}`],
          ['storage.eviction_scope', storage.evictionScope],
        ]);
      },
    });
    return { ...parts, changed };
  }

  it('are changed with the others of the group as they are, whatever the file says', async () => {
    const { change, changed, file, settings } = openGroup();
    file.text = `${FILE}storage: { max_entries: 9 }\n`;
    await settings.reload();
    const now = await change({ 'storage.eviction_scope': 'with_ttl', 'replication.max_lag': '9s' });
    expect(changed).toEqual(['500 with_ttl']);
    expect(now.slice(-2)).toEqual([
      { key: 'storage.max_entries', value: '500', origin: 'the log of the group' },
      { key: 'storage.eviction_scope', value: 'with_ttl', origin: 'the log of the group' },
    ]);
    expect(now[1]).toMatchObject({ value: '9s' });
    await change({ 'storage.max_entries': '0' });
    expect(changed.at(-1)).toBe('0 with_ttl');
    expect(settings.config.storage.entriesMax).toBe(9);
  });

  it('keep both of two changes that are asked for at once, and go on after one that was refused', async () => {
    const { change, changed, refusal } = openGroup();
    const wrong = refusal({ 'storage.eviction_scope': 'some' });
    await Promise.all([
      change({ 'storage.max_entries': '700' }),
      change({ 'storage.eviction_scope': 'with_ttl' }),
    ]);
    expect(await wrong).toMatch(/^invalid_argument/);
    expect(changed).toEqual(['700 all', '700 with_ttl']);
  });

  it('change nothing where the group refuses them, or another value is wrong', async () => {
    const { applied, refusal, change } = openGroup(new WalnutError('not_master', 'a replica'));
    const both = { 'storage.max_entries': '9', 'replication.max_lag': '9s' };
    expect(await refusal(both)).toBe('not_master: a replica');
    expect(applied).toEqual([]);
    expect((await change({}))[1]).toMatchObject({ value: '3s' });
    const other = openGroup();
    expect(await other.refusal({ ...both, 'replication.max_lag': '0s' })).toMatch(
      /^invalid_argument: SetConfig/,
    );
    expect(other.changed).toEqual([]);
  });

  it('need no restart, and those that the file states otherwise are named', async () => {
    const { settings, file, logged } = openGroup();
    expect(settings.overruled).toEqual([]);
    file.text = `${FILE}storage: { max_entries: 9 }\n`;
    await settings.reload();
    expect(settings.overruled).toEqual([{ key: 'storage.max_entries', stated: '9', inForce: '500' }]);
    expect(logged.slice(-2)).toEqual([
      expect.stringMatching(
        /^warn .*its group has other values of these keys.*\{"keys":\["storage\.max_entries"\]\}/,
      ),
      'info the configuration was read again {}',
    ]);
  });
});

describe('reload', () => {
  it('applies what the file says now, and names what needs a restart each time', async () => {
    const { settings, file, applied, logged } = open();
    file.text = 'wal: { directory: d, fsync: never }\nreplication: { max_lag: 9s }\n';
    await settings.reload();
    expect(applied).toEqual(['9000 ms']);
    const restart =
      'warn the configuration was read again, and these keys need a restart {"keys":["wal.fsync"]}';
    expect(logged.at(-1)).toBe(restart);
    await settings.reload();
    expect(logged.slice(-1)).toEqual([restart]);
    file.text = FILE;
    await settings.reload();
    expect(logged.at(-1)).toBe('info the configuration was read again {}');
  });

  it('tells who follows the file each time, and has nothing pending of what that takes', async () => {
    const { settings, file, logged, refusal } = open();
    const told: (string | undefined)[] = [];
    settings.followFile(['auth.audit_file'], ({ auth }) => {
      told.push(auth.auditFile);
      return auth.mode === 'off';
    });
    expect(await refusal({ 'auth.audit_file': 'a' })).toMatch(
      /^failed_precondition: auth\.audit_file changes with the file only: write it there and send SIGHUP; these can/,
    );
    const auth = (mode: string): string => `auth: { mode: ${mode}, file: u, audit_file: a }\n`;
    file.text = `${FILE}${auth('required')}`;
    await settings.reload();
    expect(logged.at(-1)).toContain('{"keys":["auth.mode","auth.file","auth.audit_file"]}');
    file.text = FILE;
    await settings.reload();
    expect(logged.at(-1)).toBe('info the configuration was read again {}');
    file.text = 'auth: [';
    await settings.reload();
    expect(told).toEqual(['a', undefined]);
  });

  it('ends what SetConfig changed', async () => {
    const { settings, change, applied } = open();
    await change({ 'replication.max_lag': '9s' });
    await settings.reload();
    expect(applied).toEqual(['9000 ms', '3000 ms']);
    expect((await change({}))[1]).toMatchObject({ value: '3s', origin: 'f.yaml:2:25' });
  });

  it.each(['', 'wal: { directory: d }\nlog: { format: loud }\n', 'wal: ['])(
    'changes nothing where the file is %j',
    async (text) => {
      const { settings, file, change, applied, logged } = open();
      await change({ 'replication.max_lag': '9s' });
      file.text = text;
      await settings.reload();
      expect(applied).toEqual(['9000 ms']);
      expect(logged.at(-1)).toMatch(/^error the configuration cannot be used: nothing was changed .*f\.yaml/);
      expect((await change({}))[1]).toMatchObject({ value: '9s' });
    },
  );

  it('names a key of which the printed part is the same, and does not show the rest', async () => {
    const { settings, file, logged } = open(
      `${FILE}metrics: { otlp: { endpoint: "http://h:1/x?token=one" } }\n`,
    );
    await settings.reload();
    expect(logged.at(-1)).toMatch(/^info the configuration was read again/);
    file.text = file.text.replace('one', 'two');
    await settings.reload();
    expect(logged.at(-1)).toBe(
      'warn the configuration was read again, and these keys need a restart {"keys":["metrics.otlp.endpoint"]}',
    );
  });

  it('gives up a read that hangs, and reads the file again once that has ended', async () => {
    const { settings, file, clock, applied, logged } = open();
    let end = (): void => {};
    file.answer = new Promise((resolve) => {
      end = resolve;
    });
    const reloads = [settings.reload(), settings.reload()];
    await clock.advance(10_000);
    await Promise.all(reloads);
    expect(logged[0]).toMatch(/^error the configuration cannot be used: .*f\.yaml: not read within 10 s/);
    expect(logged[1]).toMatch(
      /^error the configuration cannot be used: .*an earlier read of it has not ended/,
    );
    end();
    await clock.settle();
    file.text = FILE.replace('3s', '9s');
    await settings.reload();
    expect(applied).toEqual(['9000 ms']);
  });
});
