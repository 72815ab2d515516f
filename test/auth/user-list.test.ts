/** What a file of users may say, and what is said about one that may not. */
import { describe, expect, it } from 'vitest';
import { isUserList, parseUserList } from '#auth/user-list.ts';
import { AUTH_FILE, usersOf } from '#test/auth/users.ts';

const [TOKEN = ''] = AUTH_FILE.users[0]?.tokens ?? [];
const ANN = { name: 'ann', roles: ['reader'], tokens: [TOKEN] };
const PASSWORD = `scrypt:14:8:5:${'A'.repeat(22)}:${'B'.repeat(43)}`;
const roleOf = (grant: object) => ({ users: [ANN], roles: [{ name: 'own', grants: [grant] }] });

function problemsOf(values: object): readonly string[] {
  const parsed = parseUserList(values as Record<string, unknown>);
  return isUserList(parsed) ? [] : parsed;
}

describe('a file of users', () => {
  it('gives users their grants', () => {
    expect(usersOf({ users: [ANN] })).toMatchObject([
      { name: 'ann', grants: [{ access: ['read'], prefixes: [''] }] },
    ]);
    expect(problemsOf(AUTH_FILE)).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['no users', {}, ['users: expected at least one; walnut auth init writes a file to begin with']],
    ['an unknown key', { users: [ANN], user: [] }, ['user: unknown key: expected users, roles']],
    [
      'no list',
      { users: 'ann' },
      ['users: expected a list of at most 1000', expect.stringMatching(/^users: expected at least one/)],
    ],
    [
      'a bare name',
      { users: ['ann'] },
      [
        expect.stringMatching(/^users\[0\]: expected name, roles, tokens/),
        expect.stringMatching(/^users: expected at least one/),
      ],
    ],
    [
      'a strange key of a user',
      { users: [{ ...ANN, password: 'x' }] },
      ['users[0].password: unknown key: expected name, roles, tokens, certificates'],
    ],
    [
      'a strange name',
      { users: [{ ...ANN, name: 'a\nb' }] },
      [expect.stringMatching(/^users\[0\].name: expected a name/)],
    ],
    [
      'the name of nobody',
      { users: [{ ...ANN, name: 'anonymous' }] },
      ['users[0].name: anonymous is who brings no credential'],
    ],
    [
      'a role that is not there',
      { users: [{ ...ANN, roles: ['root'] }] },
      [expect.stringMatching(/^users\[0\].roles\[0\]: expected one of reader, writer,/)],
    ],
    [
      'a secret in clear',
      { users: [{ ...ANN, tokens: ['hunter2'] }] },
      [expect.stringMatching(/^users\[0\].tokens\[0\]: expected what walnut auth/)],
    ],
    [
      'no token',
      { users: [{ ...ANN, tokens: [] }] },
      [expect.stringMatching(/^users\[0\].tokens: expected a list/)],
    ],
    [
      'one token twice',
      { users: [ANN, { ...ANN, name: 'bob' }] },
      ['users[1].tokens: a token is there twice; make another one for each user'],
    ],
    [
      'one password twice',
      { users: [{ ...ANN, tokens: [PASSWORD, PASSWORD] }] },
      ['users[0].tokens: a password is there twice; make another one for each user'],
    ],
    [
      'one name twice',
      { users: [ANN, { ...ANN, tokens: [`sha256:${'1'.repeat(64)}`] }] },
      ['users: two have the same name'],
    ],
    [
      'a role twice',
      { users: [ANN], roles: [{ name: 'reader', grants: [] }] },
      ['roles[0].name: there is a role reader already'],
    ],
    [
      'no prefixes',
      roleOf({ access: ['read'] }),
      [expect.stringMatching(/^roles\[0\].grants\[0\].prefixes: missing/)],
    ],
    [
      'calls between nodes',
      roleOf({ access: ['replicate'] }),
      [expect.stringMatching(/access\[0\]: expected one of read, write, observe, metrics, admin/)],
    ],
    [
      'a method that is not there',
      roleOf({ access: ['read'], prefixes: [''], methods: ['KVStore/Gte'] }),
      [expect.stringMatching(/methods\[0\]: expected a method such as/)],
    ],
    [
      'a star within a name',
      roleOf({ access: ['read'], prefixes: [''], methods: ['KVStore/G*'] }),
      [expect.stringMatching(/methods\[0\]: expected a method such as/)],
    ],
    [
      'a lone surrogate',
      roleOf({ access: ['read'], prefixes: ['\ud800'] }),
      [expect.stringMatching(/prefixes\[0\]: expected at most 1024 bytes/)],
    ],
  ])('is refused with %s', (_what, values, problems) => expect(problemsOf(values)).toEqual(problems));

  it('is never quoted where it may have a secret', () => {
    expect(problemsOf({ users: [{ ...ANN, tokens: ['hunter2'] }] }).join()).not.toContain('hunter2');
  });
});

describe('names in certificates', () => {
  const problems = (certificates: unknown, takesCn?: boolean): readonly unknown[] =>
    parseUserList(
      {
        users: [
          { name: 'a', roles: ['reader'], certificates },
          { name: 'b', roles: ['reader'], certificates: ['dns:b'] },
        ],
      },
      takesCn,
    );

  it('make a user known without tokens', () => {
    const names = ['dns:A.example', 'uri:spiffe://a', 'email:a@b', 'cn:Ann Example'];
    expect(problems(names)[0]).toMatchObject({
      hashes: [],
      certificates: ['dns:a.example', 'uri:spiffe://a', 'email:a@b', 'cn:Ann Example'],
    });
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a kind that is none',
      ['ip:10.0.0.1'],
      /certificates\[0\]: expected dns:NAME, uri:URI, email:ADDRESS or cn:NAME/,
    ],
    ['a name of another user', ['dns:B'], /users\[1\]\.certificates: "dns:b" is there twice/],
    ['no list', 'dns:a', /certificates: expected a list/],
    ['an empty list', [], /certificates: expected a list/],
    ['a blank', ['dns:a b'], /certificates\[0\]: expected/],
  ])('are refused: %s', (_what, certificates, problem) => {
    expect(problems(certificates).join()).toMatch(problem);
  });

  it('are no CN unless the configuration takes it', () => {
    expect(problems(['cn:a'], false).join()).toMatch(/needs auth.certificate_cn: true/);
  });
});
