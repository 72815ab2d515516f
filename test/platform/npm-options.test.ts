import { describe, expect, it } from 'vitest';
import { findSwallowed } from '#platform/npm-options.ts';

const NAMES = ['address', 'if-absent', 'no-follow', 'json', 'prefix', 'ttl'];
const find = (env: Record<string, string>, script = 'walnut') =>
  findSwallowed({ npm_lifecycle_event: 'walnut', ...env }, script, NAMES);

describe('options that npm swallowed', () => {
  it.each([
    [{ npm_config_if_absent: 'true' }, '--if-absent'],
    [{ npm_config_address: '127.0.0.1:1' }, '--address=127.0.0.1:1'],
    [{ npm_config_address: 'true' }, '--address'],
    [{ npm_config_ttl: 'a b' }, '--ttl="a b"'],
    [{ npm_config_follow: '' }, '--no-follow'],
    [{ npm_config_ttl: '1s', npm_config_address: 'a' }, '--address=a --ttl=1s'],
  ])('are found in %j', (env, options) => {
    expect(find(env)).toEqual({
      message: `npm kept ${options} for itself: nothing was done`,
      advice: `Put -- before the arguments: npm run -s walnut -- … ${options}`,
    });
  });

  it.each([
    ['walnut', 'npm exec -- walnut … --if-absent'],
    ['master', 'npm exec -- walnut-master … --if-absent'],
  ])('are found where npm exec runs %s', (script, typed) => {
    const env = { npm_lifecycle_event: 'npx', npm_command: 'exec', npm_config_if_absent: 'true' };
    expect(find(env, script)?.advice).toBe(`Put -- before the arguments: ${typed}`);
  });

  it.each([
    // A script without a binary.
    [{ npm_lifecycle_event: 'npx', npm_command: 'exec', npm_config_json: 'true' }, 'bench'],
    [{}, 'walnut'],
    // Another option, and one that npm sets always.
    [{ npm_config_audit: '', npm_config_prefix: '/usr' }, 'walnut'],
    // Switched off, and on: neither is what the option does.
    [{ npm_config_json: '' }, 'walnut'],
    [{ npm_config_follow: 'true' }, 'walnut'],
    // npm runs something else, which runs the tool with arguments of its own.
    [{ npm_config_json: 'true' }, 'bench'],
  ])('are not found in %j for %s', (env, script) => {
    expect(find(env, script)).toBeUndefined();
  });

  it('may be of npm’s own configuration, where npm has one of that name', () => {
    expect(find({ npm_config_json: 'true' })?.advice).toContain('configuration sets json, run');
    expect(
      findSwallowed({ npm_lifecycle_event: 'start', npm_config_port: '1' }, 'start', ['port'])?.advice,
    ).toBe('Put -- before the arguments: npm start -- … --port=1');
  });
});
