import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#config/config-error.ts';
import { ROOT } from '#test/house/source-files.ts';
import { GROUP, GROUP_FILES, planGroup } from '../../cmd/group/group-plan.ts';
import { type Environment, LocalRefusal } from '../../cmd/local/local-files.ts';
import { parsePortFlags } from '../../cmd/local/port-flags.ts';

const SHIPPED = GROUP_FILES.map(({ config }) => readFileSync(join(ROOT, config), 'utf8'));

interface Case {
  /** Replacements in all three files. */
  readonly edits?: readonly (readonly [string | RegExp, string])[];
  /** A replacement in one file. */
  readonly edit?: readonly [number, string | RegExp, string];
  readonly env?: Environment;
  readonly firstPort?: number;
}

function plan({ edits = [], edit, env = {}, firstPort }: Case) {
  const texts = SHIPPED.map((text) => edits.reduce((all, [from, to]) => all.replaceAll(from, to), text));
  if (edit !== undefined) texts[edit[0]] = (texts[edit[0]] ?? '').replace(edit[1], edit[2]);
  return planGroup({ texts, env, firstPort });
}

function refusal(given: Case): string {
  try {
    plan(given);
  } catch (error) {
    if (error instanceof LocalRefusal) return error.message;
    throw error;
  }
  return 'not refused';
}

describe('planGroup', () => {
  it('finds addresses in the files as they are shipped, and tells each node of the others', () => {
    expect(plan({}).map(({ address, sets }) => [address, sets])).toEqual([
      ['127.0.0.1:8080', ['replication.replicas=127.0.0.1:8081,127.0.0.1:8082']],
      ['127.0.0.1:8081', ['replication.replicas=127.0.0.1:8080,127.0.0.1:8082']],
      ['127.0.0.1:8082', ['replication.replicas=127.0.0.1:8080,127.0.0.1:8081']],
    ]);
  });

  it('takes ports from edited files', () => {
    const specs = plan({ edits: [['808', '909']] });
    expect(specs.map(({ address }) => address)).toEqual([
      '127.0.0.1:9090',
      '127.0.0.1:9091',
      '127.0.0.1:9092',
    ]);
  });

  it('moves a whole group to other ports, links and advertised addresses too', () => {
    const edit = [1, '# advertise: "walnut-1.example.net:8081"', 'advertise: "127.0.0.1:8081"'] as const;
    expect(plan({ firstPort: 9080, edit }).map(({ address, sets }) => [address, sets])).toEqual([
      ['127.0.0.1:9080', ['replication.replicas=127.0.0.1:9081,127.0.0.1:9082', 'server.port=9080']],
      [
        '127.0.0.1:9081',
        [
          'replication.replicas=127.0.0.1:9080,127.0.0.1:9082',
          'server.port=9081',
          'server.advertise=127.0.0.1:9081',
          'master.address=127.0.0.1:9080',
        ],
      ],
      [
        '127.0.0.1:9082',
        [
          'replication.replicas=127.0.0.1:9080,127.0.0.1:9081',
          'server.port=9082',
          'master.address=127.0.0.1:9080',
        ],
      ],
    ]);
  });

  it('leaves a list of replicas in a file alone, unless the ports move', () => {
    const edit = [0, '# replicas: []', 'replicas: ["127.0.0.1:8082"]'] as const;
    expect(plan({ edit })[0]?.sets).toEqual([]);
    expect(plan({ edit, firstPort: 9080 })[0]?.sets[0]).toMatch(/^replication.replicas=127.0.0.1:9081,/);
  });

  it('keeps a replica that follows the other replica', () => {
    const edit = [2, /(master:[\s\S]*?address: ")127.0.0.1:8080/, '$1localhost:8081'] as const;
    expect(plan({ firstPort: 9080, edit })[2]?.sets).toContain('master.address=127.0.0.1:9081');
  });

  it.each([
    ['0.0.0.0', '127.0.0.1:8080'],
    ['::', '[::1]:8080'],
    ['::1', '[::1]:8080'],
  ])('calls what is bound to %s at %s', (bound, address) => {
    expect(plan({ edit: [0, 'address: "127.0.0.1"', `address: "${bound}"`] })[0]?.address).toBe(address);
  });

  it.each<[string, Case, RegExp]>([
    [
      'one port for three nodes',
      { env: { WALNUT_SERVER__PORT: '9300' } },
      /WALNUT_SERVER__PORT is set[\s\S]*type: env -u WALNUT_SERVER__PORT npm start -- --port 9300$/,
    ],
    [
      'one directory for three nodes',
      { env: { WALNUT_WAL__DIRECTORY: '/tmp/x' } },
      /cannot share one wal.directory[\s\S]*type: env -u WALNUT_WAL__DIRECTORY npm start$/,
    ],
    ['a master for the master', { env: { WALNUT_MASTER__ADDRESS: 'a:1' } }, /env -u WALNUT_MASTER__ADDRESS/],
    [
      'a free port of the system',
      { edit: [0, 'port: 8080', 'port: 0'] },
      /server.port is 0[\s\S]*--port 9080$/,
    ],
    [
      'a port twice',
      { edit: [2, 'port: 8082', 'port: 8081'] },
      /slave-1.yaml and .*slave-2.yaml have the same/,
    ],
    ['a directory twice', { edit: [2, 'data/slave-2', 'data/slave-1'] }, /the same wal.directory/],
    [
      'a master that moved without its replicas',
      { edit: [0, 'port: 8080', 'port: 9080'] },
      /slave-1.yaml: master.address is .*8080, where no other node.*\nMake it "127.0.0.1:9080"/,
    ],
    [
      'a replica of itself',
      { edit: [1, /(master:[\s\S]*?address: ")127.0.0.1:8080/, '$1127.0.0.1:8081'] },
      /slave-1.yaml: master.address is 127.0.0.1:8081/,
    ],
    [
      'a broken file',
      { edit: [1, 'port: 8081', 'port: many'] },
      /^configs\/slave-1.yaml:\d+:\d+ server.port: [\s\S]*npm start\n.*git checkout -- configs$/,
    ],
    [
      'a node that speaks TLS only',
      { edit: [1, /^server:$/m, 'server:\n  tls: {mode: required, cert: /c, key: /k}'] },
      /^configs\/slave-1.yaml: server.tls.mode is required, and npm start calls.*\nMake it optional, or [\s\S]*npm run slave -- --config configs\/slave-2.yaml\n.*configs\/production$/,
    ],
    [
      'nodes that know nobody without a credential',
      { env: { WALNUT_AUTH__MODE: 'required', WALNUT_AUTH__FILE: '/u' } },
      /^configs\/master.yaml: auth.mode is required, and npm start calls.*\nMake it permissive, or /,
    ],
  ])('refuses %s, and ends in what to type', (_, given, message) => {
    expect(refusal(given)).toMatch(message);
  });

  it('lists what is wrong with all files at once', () => {
    const texts = [
      new ConfigError(['configs/master.yaml: missing']),
      'server:\n  prot: 1\n',
      SHIPPED[2] ?? '',
    ];
    expect(() => planGroup({ texts, env: {}, firstPort: undefined })).toThrow(
      /configs\/master.yaml: missing\nconfigs\/slave-1.yaml:1:1 wal.directory: missing[\s\S]*\nconfigs\/slave-1.yaml:2:3 server.prot/,
    );
  });
});

describe('parsePortFlags', () => {
  it.each<[string[], Environment, object]>([
    [[], {}, { kind: 'run', firstPort: undefined }],
    [['--port', '9080'], {}, { kind: 'run', firstPort: 9_080 }],
    [['--port=65533'], {}, { kind: 'run', firstPort: 65_533 }],
    [['-h'], {}, { kind: 'help' }],
  ])('reads %j', (argv, env, expected) => {
    expect(parsePortFlags(GROUP, argv, env)).toEqual(expected);
  });

  it.each<[string[], Environment, RegExp]>([
    [['--port'], {}, /--port "": expected a number/],
    [['--port', '65534'], {}, /from 1 to 65533/],
    [['--port', '0'], {}, /expected a number/],
    [['--port', '9080', 'x'], {}, /unexpected "x"/],
    [['9080'], {}, /unexpected "9080"\nType: npm start -- --port/],
    [
      [],
      { npm_lifecycle_event: 'start', npm_config_port: '9300' },
      /npm kept --port=9300 for itself: nothing was done\nType: npm start -- --port 9300/,
    ],
    [
      ['9300'],
      { npm_lifecycle_event: 'start', npm_config_port: 'true' },
      /npm kept --port for itself: nothing was done\nType: npm start -- --port 9300/,
    ],
  ])('refuses %j', (argv, env, message) => {
    expect(parsePortFlags(GROUP, argv, env)).toEqual({
      kind: 'error',
      message: expect.stringMatching(message),
    });
  });
});
