/**
 * Single calls: Walnut next to bare Node answering the same bytes, to stock
 * connect-node with the same service, and to redis-server, etcd, nghttpd and Go where
 * they are installed. They are measured in turn, round after round, each by a load
 * generator in a process of its own; ratios are taken within a round.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from '#test/doubles/certificates.ts';
import type { SuiteReport } from '../report.ts';
import { agreedTls } from './agreed-tls.ts';
import { askOnce, type OneAnswer } from './ask-once.ts';
import { type Beside, CALLS, etcdCall, type MeasuredCall } from './calls.ts';
import { createLoad, type Load, loadNames, REDIS_RATE, redisLoad } from './load.ts';
import { startGo, startNghttpd } from './other-http2.ts';
import { isInstalled, startEtcd, startRedis, startWalnut, startYardstick, type Target } from './processes.ts';
import { type Measured, toSuiteReport } from './report.ts';
import { type Contender, measureInTurn } from './rounds.ts';

export interface UnaryBench {
  readonly rounds: number;
  readonly seconds: number;
  /** Calls whose name has this text. */
  readonly only: string;
}

export async function benchUnary(options: UnaryBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const hall = new Hall(directory);
  try {
    const measured: Measured[] = [];
    for (const call of CALLS.filter(({ id }) => id.includes(options.only))) {
      const contenders = await hall.contendersOf(call);
      measured.push({ call, rounds: await measureInTurn(contenders, options) });
      process.stderr.write(`${call.id} measured\n`);
    }
    const { rounds, seconds } = options;
    return toSuiteReport({ suite: 'unary', unit: 'request', measured, load: loadNames(), rounds, seconds });
  } finally {
    await hall.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function checkAlike(ownPort: number, barePort: number, http: 1 | 2): Promise<void> {
  const [own, bare] = await Promise.all([agreedTls(ownPort, http), agreedTls(barePort, http)]);
  if (own !== bare) throw new Error(`the node speaks ${own} and bare Node ${bare}: expected the same`);
  process.stderr.write(`both speak ${own}\n`);
}

/** The servers, started when first needed. */
class Hall {
  readonly #directory: string;
  readonly #load: Load;
  readonly #targets = new Map<string, Target>();

  constructor(directory: string) {
    this.#directory = directory;
    this.#load = createLoad(directory);
  }

  async contendersOf(call: MeasuredCall): Promise<Contender[]> {
    const tls = call.isTls ? this.#certificate() : undefined;
    const walnut = await this.#filled(
      tls === undefined ? 'walnut' : 'walnut tls',
      (path) => startWalnut(path, tls?.settings),
      call,
    );
    const { type, body } = await askOnce(walnut.port, call);
    const bare = await this.#target(`bare ${call.id}`, () =>
      startYardstick(['bare', String(call.http), type, body.toString('base64'), ...(tls?.files ?? [])]),
    );
    if (tls !== undefined) await checkAlike(walnut.port, bare.port, call.http);
    const contenders = [this.#contender('walnut', walnut, call), this.#contender('bare', bare, call)];
    for (const name of call.beside) {
      if (name === 'stock' || isInstalled(name === 'redis' ? 'redis-server' : name))
        contenders.push(await this.#beside(name, call, { type, body }));
    }
    return contenders;
  }

  /** Both servers get the same: as files, and as settings of a node. */
  #certificate(): { readonly files: readonly string[]; readonly settings: readonly string[] } {
    const files = [join(this.#directory, 'node.crt'), join(this.#directory, 'node.key')] as const;
    if (!existsSync(files[0])) {
      const { cert, key } = new Authority().issue();
      writeFileSync(files[0], cert);
      writeFileSync(files[1], key, { mode: 0o600 });
    }
    const settings = ['mode=required', `cert=${files[0]}`, `key=${files[1]}`].map(
      (set) => `server.tls.${set}`,
    );
    return { files, settings };
  }

  async #beside(name: Beside, call: MeasuredCall, answer: OneAnswer): Promise<Contender> {
    const verb = call.id.startsWith('get') ? 'get' : 'set';
    if (name === 'redis') {
      const target = await this.#target('redis', (path) => startRedis(path));
      return {
        name,
        target,
        load: (seconds) =>
          redisLoad(target.port, { command: verb, seconds, ratePerSecond: REDIS_RATE.alone }),
      };
    }
    if (name === 'etcd') {
      const target = await this.#target('etcd', (path) => startEtcd(path));
      await askOnce(target.port, etcdCall('set'));
      return this.#contender(name, target, etcdCall(verb));
    }
    if (name === 'nghttpd' || name === 'go') {
      const start = name === 'go' ? startGo : startNghttpd;
      return this.#contender(name, await this.#target(name, (path) => start(path, call.path, answer)), call);
    }
    const version = String(call.http);
    const stock = await this.#filled(`stock${version}`, () => startYardstick(['stock', version]), call);
    return this.#contender(name, stock, call);
  }

  #contender(name: string, target: Target, call: MeasuredCall): Contender {
    return { name, target, load: (seconds) => this.#load(target.port, call, seconds) };
  }

  /** With the entry that is asked for. */
  async #filled(name: string, start: (path: string) => Promise<Target>, call: MeasuredCall): Promise<Target> {
    const target = await this.#target(name, start);
    const set = CALLS.find(({ id }) => id === `set h${call.http} proto`);
    const { isTls } = call;
    if (set !== undefined) await askOnce(target.port, isTls ? { ...set, isTls } : set);
    return target;
  }

  async #target(name: string, start: (path: string) => Promise<Target>): Promise<Target> {
    const known = this.#targets.get(name);
    if (known !== undefined) return known;
    const path = join(this.#directory, name.replaceAll(/\W/g, '-'));
    mkdirSync(path, { recursive: true });
    const target = await start(path);
    this.#targets.set(name, target);
    return target;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#targets.values()].map((target) => target.stop()));
  }
}
