/**
 * Batches of 100 operations: Walnut at fsync `interval` next to the same
 * operations one by one, to bare Node answering the same bytes, and to
 * redis-server under `redis-benchmark -P 100` where it is installed. Rates are
 * operations a second.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SuiteReport } from '../report.ts';
import { askOnce } from '../unary/ask-once.ts';
import type { MeasuredCall } from '../unary/calls.ts';
import { createLoad, type Load, type Loaded, loadNames, REDIS_RATE, redisLoad } from '../unary/load.ts';
import { isInstalled, startRedis, startWalnut, startYardstick, type Target } from '../unary/processes.ts';
import { type Measured, toSuiteReport } from '../unary/report.ts';
import { type Contender, measureInTurn } from '../unary/rounds.ts';
import { BATCH_CALLS, type BatchCall, LOGGING, OPERATIONS, singleOf, type Verb } from './batch-calls.ts';

export interface BatchBench {
  readonly rounds: number;
  readonly seconds: number;
  /** Calls whose name has this text. */
  readonly only: string;
}

export async function benchBatch({ rounds, seconds, only }: BatchBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const targets: Target[] = [];
  const start = async (name: string, how: (path: string) => Promise<Target>): Promise<Target> => {
    const path = join(directory, name);
    mkdirSync(path, { recursive: true });
    const target = await how(path);
    targets.push(target);
    return target;
  };
  try {
    const load = createLoad(directory);
    const walnut = await start('walnut', startWalnut);
    const redis = isInstalled('redis-server') ? await start('redis', startRedis) : undefined;
    const logging = redis === undefined ? undefined : await start(LOGGING, startLogging);
    for (const call of BATCH_CALLS) if (call.verb === 'set') await askOnce(walnut.port, call);
    if (redis !== undefined) await redisBatches(redis, 'set', 0.2);
    const measured: Measured[] = [];
    for (const call of BATCH_CALLS.filter(({ id }) => id.includes(only))) {
      const { type, body } = await askOnce(walnut.port, call);
      const answer = ['bare', String(call.http), type, body.toString('base64')];
      const bare = await start(`bare ${call.id}`, () => startYardstick(answer));
      const contenders = [
        batches('walnut', walnut, call, load),
        batches('bare', bare, call, load),
        singles(walnut, singleOf(call.verb), load),
      ];
      if (redis !== undefined) contenders.push(pipelined('redis', redis, call.verb));
      if (logging !== undefined && call.verb === 'set')
        contenders.push(pipelined(LOGGING, logging, call.verb));
      measured.push({ call, rounds: await measureInTurn(contenders, { rounds, seconds }) });
      process.stderr.write(`${call.id} measured\n`);
    }
    const names = `${loadNames()}; alone: single calls over HTTP/1.1; redis: redis-benchmark -P ${OPERATIONS}`;
    return toSuiteReport({ suite: 'batch', unit: 'operation', measured, load: names, rounds, seconds });
  } finally {
    await Promise.all(targets.map((target) => target.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

function batches(name: string, target: Target, call: BatchCall, load: Load): Contender {
  const count = async (seconds: number): Promise<Loaded> => {
    const loaded = await load(target.port, call, seconds);
    return { ...loaded, requests: loaded.requests * call.operations };
  };
  return { name, target, load: count };
}

function singles(target: Target, call: MeasuredCall, load: Load): Contender {
  return { name: 'alone', target, load: (seconds) => load(target.port, call, seconds) };
}

/** Its log is never rewritten meanwhile. */
function startLogging(path: string): Promise<Target> {
  const options = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];
  return startRedis(path, options);
}

function pipelined(name: string, target: Target, verb: Verb): Contender {
  return { name, target, load: (seconds) => redisBatches(target, verb, seconds) };
}

/** The counterpart of the batches: as many keys as a batch has, pipelined in the same number. */
function redisBatches({ port }: Target, command: Verb, seconds: number): Promise<Loaded> {
  const ratePerSecond = REDIS_RATE.pipelined;
  return redisLoad(port, { command, seconds, ratePerSecond, pipelined: OPERATIONS, keys: OPERATIONS });
}
