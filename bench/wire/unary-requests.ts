/**
 * Single Gets and Sets as bytes, made by writing the key into a template: a
 * load generator must cost less than what it loads. Keys have 16 bytes, values 100.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { GetRequestSchema, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { keyOf, VALUE } from '../memory/fill.ts';
import { type Cut, cutHttp, cutRedis } from './pipe.ts';
import { command, type Kind, post } from './speakers.ts';

export interface UnaryRequests {
  readonly cut: Cut;
  get(number: number): Buffer;
  set(number: number): Buffer;
  /** Throws where the answer is a refusal. */
  check(answer: Buffer): void;
}

const SAMPLE = keyOf(0);

export function unaryRequests(kind: Kind): UnaryRequests {
  return kind === 'walnut' ? walnutRequests() : redisRequests();
}

function walnutRequests(): UnaryRequests {
  const get = toBinary(GetRequestSchema, create(GetRequestSchema, { key: SAMPLE }));
  const set = toBinary(SetRequestSchema, create(SetRequestSchema, { key: SAMPLE, value: VALUE }));
  return {
    cut: cutHttp,
    get: fromTemplate(post('/walnut.v1.KVStore/Get', 'application/proto', get)),
    set: fromTemplate(post('/walnut.v1.KVStore/Set', 'application/proto', set)),
    check: (answer) => {
      // "HTTP/1.1 2".
      if (answer[9] !== 0x32) throw new Error(`Walnut answered ${answer.toString()}`);
    },
  };
}

function redisRequests(): UnaryRequests {
  return {
    cut: cutRedis,
    get: fromTemplate(command(['GET', SAMPLE])),
    set: fromTemplate(command(['SET', SAMPLE, VALUE])),
    // Errors end the run where answers are cut.
    check: () => {},
  };
}

/** A copy for each, since what is sent may wait. */
function fromTemplate(template: Buffer): (number: number) => Buffer {
  const at = template.indexOf(SAMPLE);
  return (number) => {
    const request = Buffer.from(template);
    request.write(keyOf(number), at, 'latin1');
    return request;
  };
}

/** Whole numbers below `count` in an order that is the same in every run: a linear congruential generator. */
export function createNumbers(count: number, seed = 1): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}
