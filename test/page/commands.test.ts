/** The commands that the page types out are commands of the tool, with options that it has. */
import { describe, expect, it } from 'vitest';
import { lostAlarm, RULES, UNKNOWN_HERE } from '#page/assets/alarms.js';
import { addressOf } from '#page/assets/format.js';
import { snapshotOf, statusOf } from '#test/page/snapshots.ts';
import { runCli } from '../cli/memory-io.ts';

const here = 'https://cache.example:8080';
const master = { address: 'm:1', linked: false, lagRecords: '9', lagMs: '40000' };
const SNAPSHOTS = [
  snapshotOf(),
  snapshotOf({ view: statusOf({ master, replicas: [] }) }),
  snapshotOf({ view: statusOf({ master, replicas: [], member: {} }) }),
  snapshotOf({ view: statusOf({ delay: { held: true } }) }),
  snapshotOf({ kind: 'gateway', view: { readiness: {}, reasons: [] } }),
];

/** Every `walnut …` that a rule may type out. */
function commands(): string[] {
  const typed = SNAPSHOTS.flatMap((now) =>
    RULES.filter(({ kinds }) => kinds.includes(now.kind)).flatMap((rule) => {
      const moments = { now, before: now, past: now, here };
      // Rules about a master are asked only where there is one.
      return rule.alert === 'WalnutNoMaster' && now.view.master === undefined ? [] : rule.type(moments);
    }),
  );
  const lost = SNAPSHOTS.flatMap((last) => lostAlarm('', last, here).type);
  const unknown = UNKNOWN_HERE.flatMap(({ why }) => why.match(/walnut .*$/) ?? []);
  return [...new Set([...typed, ...lost, ...unknown])].filter((command) => command.startsWith('walnut '));
}

describe('a command that the page types out', () => {
  it.each(commands())('%s', async (command) => {
    const words = command.split(' ').slice(1);
    const name = words.slice(
      0,
      words.findIndex((word) => !/^[a-z]+(?:-[a-z]+)*$/.test(word)),
    );
    const { code, out } = await runCli([...name, '--help']);
    expect(code).toBe(0);
    // A word that is no command of it is an argument, as in `walnut info store`.
    const usage = /^Usage: walnut ([a-z -]*)/.exec(out)?.[1]?.trim() ?? '';
    expect(usage).not.toBe('');
    expect(name.join(' ')).toContain(usage);
    for (const option of words.filter((word) => word.startsWith('--')))
      expect(out).toMatch(new RegExp(`${option}\\b`));
  });

  it('has the address by which the browser came', () => {
    expect([
      addressOf({ protocol: 'http:', host: 'a:81', port: '81' }),
      addressOf({ protocol: 'http:', host: '[::1]', port: '' }),
      addressOf({ protocol: 'https:', host: 'a', port: '' }),
    ]).toEqual(['a:81', '[::1]:80', 'https://a:443']);
  });
});
