/** How the tests type each command of the documents: what stands for its words in capitals, and what it answers. */
import type { World } from './rig.ts';

export interface Step {
  /** What stands for parts of the command; `$HOME`, `$PID` (of the master) and `$COLLECTOR` are known when it is typed. */
  readonly places?: Readonly<Record<string, string>>;
  /** Put behind it, where the document names a command without its arguments. */
  readonly more?: string;
  readonly stdin?: string;
  /** Default: 0. */
  readonly codes?: readonly number[];
  readonly says?: RegExp;
  /** What the log of the master has afterwards. */
  readonly logs?: string;
}

/** Why a command is not typed here: a test that types it, by its file and a word in it, or what it needs. */
export type Excuse = { readonly test: string; readonly word: string } | { readonly needs: string };

export interface Document {
  readonly file: string;
  readonly world: World;
  /** The port that commands without an address call. */
  readonly port: number;
  readonly steps: Readonly<Record<string, Step>>;
  readonly excuses: Readonly<Record<string, Excuse>>;
}

const HA = { test: 'test/cmd/cluster-ha.test.ts', word: 'cmd/cluster-ha.ts' };
const EXECUTABLE = { test: 'test/package/executable.test.ts', word: 'walnut' };
const BENCH = { needs: 'minutes; its suites are run, shortened, by test/bench/suites.test.ts' };
const SHORT_BENCH = '--keys 50 --duration 50ms --warm-up 5ms';

const DUMP = { 'dump.rdb': '$HOME/dump.rdb' };
const ETC = { '/etc/walnut': '$HOME/etc-walnut' };

const OPERATIONS: Document = {
  file: 'docs/operations.md',
  world: 'group',
  port: 8_080,
  steps: {
    'npm run master -- --config FILE': { places: { FILE: 'configs/master.yaml' } },
    'npm run slave -- --config FILE': { places: { FILE: 'configs/slave-1.yaml' } },
    'npm run node -- --config FILE': { places: { FILE: 'configs/node-1.yaml' } },
    'npm run coordinator -- --config FILE': { places: { FILE: 'configs/coordinator.yaml' } },
    'npm run gateway -- --config FILE': { places: { FILE: 'configs/gateway.yaml' } },
    'walnut …': { places: { '…': 'set greeting hello' }, says: /^OK / },
    'npm run -s walnut -- …': { places: { '…': 'get greeting' }, says: /^hello$/ },
    'npx walnut …': { places: { '…': 'get greeting' }, says: /^hello$/m },
    'npm run': { says: /walnut/ },
    'npm run walnut -- …': { places: { '…': 'get greeting' }, says: /hello$/ },
    'source <(walnut completion bash)': {},
    'walnut completion --help': { says: /zsh/ },
    'walnut man | man -l -': { says: /walnut/ },
    'walnut get': { more: 'greeting', says: /^hello$/ },
    'walnut del': { more: 'nothing', codes: [1] },
    'walnut < commands': { says: /^hello$/ },
    'walnut context add live https://a.example:8080 https://b.example:8080 --token-file ~/live.token --ca-file ~/live.ca':
      { places: { 'a.example': '127.0.0.1', 'b.example': '127.0.0.1', '~': '$HOME' } },
    'walnut --context live status': { says: /role +master/ },
    'walnut context use live': {},
    'walnut context use': { more: 'live' },
    'walnut context list': { says: /live/ },
    'walnut cluster': { more: 'status', codes: [0, 1] },
    'walnut get --raw': { more: 'greeting', says: /^hello$/ },
    'walnut slowlog': {},
    'walnut auth init': { more: '$HOME/auth', says: /auth\.yaml/ },
    'walnut scrub': { says: /altered +none/ },
    'walnut cluster init': { more: '--group g1=node-1,node-2,node-3', says: /g1/ },
    'walnut promote': { more: '--help' },
    'kill -HUP PID': {
      places: { PID: '$PID' },
      logs: 'the configuration was read again',
    },
    'walnut config': { says: /log\.level/ },
    'walnut config log.level=debug': { says: /debug/ },
    'walnut status': { says: /role +master/ },
    'walnut status --all': { says: /replica/ },
    'walnut cluster status': { codes: [0, 1], says: /g1/ },
    'walnut remove-replica HOST:PORT': { places: { 'HOST:PORT': '127.0.0.1:1' }, codes: [0, 5] },
    'ulimit -n': { says: /^(\d+|unlimited)/ },
    'walnut top': { more: '--count 1 --interval 100ms', says: /master/ },
    'walnut latency': { says: /Set/ },
    'walnut doctor': { codes: [0, 1] },
    'walnut doctor --config FILE': {
      places: { FILE: '$HOME/configs/slave-1.yaml' },
      codes: [0, 1],
    },
    'walnut bigkeys [PREFIX]': { places: { '[PREFIX]': 'g' }, says: /greeting/ },
    'walnut bigkeys': { says: /greeting/ },
    'walnut hotkeys': { more: '--for 100ms' },
    'walnut info [SECTION...]': { places: { '[SECTION...]': 'log memory' }, says: /walnut_wal_bytes|log/ },
    'walnut info store': {},
    'walnut info node': {},
    'walnut bench': { more: SHORT_BENCH, codes: [0, 1], says: /50 keys deleted/ },
    'walnut bench --help': { says: /--rate/ },
    'walnut bench --rate N --operation get': { places: { N: '100' }, more: SHORT_BENCH, codes: [0, 1] },
    'walnut delete-prefix': { more: 'nothing:', says: /0/ },
    'walnut delete-prefix PREFIX': { places: { PREFIX: 'nothing:' } },
    'walnut diverged list': { says: /nothing was set aside/ },
    'walnut status --address HOST:PORT': {
      places: { 'HOST:PORT': '127.0.0.1:8081' },
      says: /role +replica/,
    },
    'walnut cluster nodes': { codes: [0, 1], says: /node-1/ },
    'walnut latency --over 10s': { places: { '10s': '50ms' } },
    "ss -tn 'sport = :8080'": {},
    'pgrep -af cmd/': { says: /master/ },
    "pgrep -af 'cmd/(master|slave|node).ts'": { says: /slave/ },
    "curl -sS -o /dev/null -w '%{http_code}\\n' -X POST -H 'content-type: application/x-protobuf' URL": {
      places: { URL: '$COLLECTOR' },
      says: /^200$/m,
    },
    'walnut auth check FILE': { places: { FILE: '$HOME/auth/auth.yaml' } },
    'walnut explain KEY': { places: { KEY: 'greeting' } },
    'walnut digest --compare': { says: /the same/ },
    'walnut wal verify': { more: '$HOME/data/master' },
    'walnut restore-to': {
      more: `--source $HOME/data/master --lsn 1 --prefix nothing:`,
    },
    'date -u': {},
  },
  excuses: {
    'npm start': { test: 'test/house/readme.test.ts', word: 'npm start' },
    'npm start -- --port N': { test: 'test/cmd/group.test.ts', word: '--port' },
    'nohup npm run master': { test: 'test/cmd/signals.test.ts', word: 'nohup' },
    'npm run build:executable': EXECUTABLE,
    'dist/executable/walnut master --config configs/master.yaml': EXECUTABLE,
    'dist/executable/walnut get KEY --address 127.0.0.1:8080': EXECUTABLE,
    'npm ci': { needs: 'a checkout that has not been installed' },
    'npm run cluster': { test: 'test/cmd/cluster.test.ts', word: 'cluster' },
    'systemctl reload walnut@master': { test: 'test/house/deploy.test.ts', word: 'ExecReload' },
    'systemctl status walnut@master': { needs: 'systemd' },
    'docker compose ps': { needs: 'Docker' },
    'ssh -L 8080:127.0.0.1:8080 HOST': { needs: 'another machine' },
    'iostat -x 1': { needs: 'sysstat, and a reader who ends it' },
    'chronyc tracking': { needs: 'chrony' },
    'npm run bench -- memory': BENCH,
    'npm run bench -- recovery': BENCH,
  },
};

const CLUSTER: Document = {
  file: 'docs/cluster.md',
  world: 'cluster',
  port: 8_081,
  steps: {
    'npm run coordinator -- --config configs/coordinator.yaml': {},
    'npm run node -- --config configs/node-1.yaml': {},
    'npm run node -- --config configs/node-2.yaml': {},
    'npm run node -- --config configs/node-3.yaml': {},
    'npm run -s walnut -- cluster init --group g1=node-1,node-2,node-3': { says: /g1/ },
    'npm run -s walnut -- cluster status': { says: /g1/ },
    'walnut set': { more: 'one two --durability quorum', says: /^OK/ },
    'curl -L': { more: `http://127.0.0.1:8082/v1/keys/one`, says: /two/ },
    'walnut cluster map': { says: /g1/ },
    'npm run -s walnut -- set --address 127.0.0.1:8081 --durability quorum greeting hello': { says: /OK/ },
    'npm run -s walnut -- get --address 127.0.0.1:8082 greeting': { says: /^hello$/ },
    'npm run -s walnut -- get --address 127.0.0.1:8082 greeting --linearizable': { says: /^hello/ },
    'walnut cluster …': { places: { '…': 'status' }, says: /g1/ },
    'npm run -s walnut -- cluster …': { places: { '…': 'nodes' }, says: /node-3/ },
    'walnut cluster slot KEY': { places: { KEY: 'greeting' }, says: /g1/ },
    'walnut status': { says: /g1/ },
    'walnut cluster slots': { says: /g1/ },
    'walnut config storage.max_entries=700 storage.default_ttl=1h --address LEADER': {
      places: { LEADER: '127.0.0.1:8081' },
      says: /storage\.max_entries/,
    },
    'walnut config': { says: /700/ },
    'walnut promote': { codes: [5], says: /coordinator|cluster/ },
    'walnut failover': { more: `--to 127.0.0.1:8082`, codes: [5], says: /cluster/ },
    'walnut cluster status': { codes: [0, 1], says: /g1/ },
    'npm run -s walnut -- cluster recover': { codes: [1], says: /nothing is to be recovered/ },
    'npm run -s walnut -- cluster recover --apply': { codes: [5], says: /nothing is to be recovered/ },
    'npm run -s walnut -- cluster recover --group g1 --force': {
      codes: [1],
      says: /nothing has to be given up/,
    },
    'npm run -s walnut -- cluster recover --group g1 --force --apply': { codes: [5], says: /g1/ },
    'walnut cluster failover': { more: 'g1', says: /g1/ },
    'walnut cluster init --group g1=NODE,NODE,NODE': {
      places: { 'NODE,NODE,NODE': 'node-1,node-2,node-3' },
      says: /g1/,
    },
  },
  excuses: {
    'npm run cluster:ha': HA,
    'npm run cluster:ha -- --port 9070': HA,
    'npm run cluster:ha -- --etcd': HA,
    'npm run cluster': { test: 'test/cmd/cluster.test.ts', word: 'cmd/cluster.ts' },
    'etcdctl del --prefix /walnut/<coordinator.cluster>/': { needs: 'etcd, and that all is stopped' },
    'npm run coordinator -- --config FILE --set coordinator.metadata.file=NEWFILE': {
      test: 'test/runbooks/cluster-runbooks.test.ts',
      word: 'coordinator.metadata.file=',
    },
    'npm run node -- --config FILE --set wal.directory=NEWDIR/GROUP --set cluster.adopt=true': {
      test: 'test/runbooks/cluster-runbooks.test.ts',
      word: 'cluster.adopt=true',
    },
    'npm run node -- --config FILE --set wal.directory=EMPTY': {
      test: 'test/runbooks/cluster-runbooks.test.ts',
      word: 'wal.directory=',
    },
    'walnut remove-replica': { test: 'test/runbooks/leader-runbooks.ts', word: 'remove-replica' },
  },
};

const GATEWAY: Document = {
  file: 'docs/gateway.md',
  world: 'cluster',
  port: 8_000,
  steps: {
    'npm run gateway -- --config configs/gateway.yaml': {},
    'curl -X PUT --data-binary hello http://127.0.0.1:8000/v1/keys/greeting': {},
    'npm run -s walnut -- get --address 127.0.0.1:8000 greeting': { says: /^hello$/ },
    'walnut status': { says: /g1/ },
    'walnut digest': { codes: [5] },
    'walnut doctor': { codes: [0, 1], says: /checks on a gateway and \d nodes/ },
    'walnut cluster nodes': { says: /node-2/ },
    'walnut cluster status': { says: /g1/ },
    'walnut cluster …': { places: { '…': 'map' }, says: /g1/ },
    'curl -si -X PUT --data-binary a http://127.0.0.1:8000/v1/keys/one | grep -i x-walnut-positions': {
      says: /^x-walnut-positions: g1=\d+-\d+/i,
    },
    "curl -si -H 'x-walnut-positions: g2=4299262263297-18' -X PUT --data-binary b http://127.0.0.1:8000/v1/keys/two":
      { places: { 'g2=4299262263297-18': '' }, says: /^HTTP\/1\.1 20[\s\S]*x-walnut-positions: g1=/i },
    "curl -H 'x-walnut-positions;'": { more: 'http://127.0.0.1:8000/v1/keys/greeting', says: /hello/ },
    'walnut cluster map': { says: /g1/ },
  },
  excuses: {
    'npm run bench -- gateway': BENCH,
    'node bin/launch.cjs test/routing/map-spread.ts': {
      test: 'test/routing/map-spread.test.ts',
      word: 'map-spread.ts',
    },
  },
};

const MOVING: Document = {
  file: 'docs/moving.md',
  world: 'group',
  port: 8_080,
  steps: {
    'walnut import dump.rdb --check': { places: DUMP, says: /1 key/ },
    'walnut import dump.rdb --db 0': { places: DUMP, says: /1/ },
    'walnut export user: > users.ndjson': {},
    'walnut import users.ndjson --address new:8080': {
      places: { 'users.ndjson': '$HOME/users.ndjson', new: '127.0.0.1' },
    },
    'walnut import FILE': { places: { FILE: '$HOME/users.ndjson' } },
    'walnut export [PREFIX]': { places: { '[PREFIX]': 'user:' }, says: /"user:1"/ },
    'walnut delete-prefix --all': { more: '--yes' },
    'curl localhost:8080/v1/keys/K': { says: /not_found/ },
    'walnut backup create': {
      more: `--from $HOME/data/master --to $HOME/backups`,
    },
  },
  excuses: {
    'etcdctl snapshot save': { needs: 'etcd, of which it is an example' },
  },
};

const SECURITY: Document = {
  file: 'docs/security.md',
  world: 'group',
  port: 8_080,
  steps: {
    'walnut config': { says: /log\.level/ },
    'walnut auth new-token': { says: /walnut_/ },
    'curl -u billing:TOKEN': { more: `http://127.0.0.1:8080/livez` },
    'walnut auth hash-password': { stdin: 'correct horse\n', says: /scrypt/ },
    'walnut digest --compare': { says: /the same/ },
    'walnut set': { more: 'one two', says: /^OK/ },
    'walnut status': { says: /role +master/ },
    'walnut auth init /etc/walnut': { places: ETC },
    'walnut auth check /etc/walnut/auth.yaml': { places: ETC },
    'ulimit -c 0': {},
  },
  excuses: {},
};

export const DOCUMENTS: readonly Document[] = [OPERATIONS, CLUSTER, GATEWAY, MOVING, SECURITY];
