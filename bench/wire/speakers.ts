/** The same work in Walnut's words and in redis's: many operations in a request, and what was found of them. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BatchRequestSchema, BatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { type Cut, cutHttp, cutRedis, Pipe } from './pipe.ts';

export interface Pair {
  readonly key: string;
  readonly value: Buffer;
}

/** One connection to a server. Throws where an operation is refused. */
export interface Speaker {
  set(pairs: readonly Pair[]): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  /** Which of them were there. */
  get(keys: readonly string[]): Promise<boolean[]>;
  /** What the server itself counts for its entries: Status, or `used_memory` less what it began with. */
  countedBytes(): Promise<number>;
  close(): void;
}

export type Kind = 'walnut' | 'redis';

export function openSpeaker(kind: Kind, port: number): Promise<Speaker> {
  return kind === 'walnut' ? openWalnut(port) : openRedis(port);
}

/** A request as HTTP/1.1 has it. */
export function post(path: string, type: string, body: Uint8Array): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** A command as redis's protocol has it. */
export function command(words: readonly (string | Buffer)[]): Buffer {
  const parts = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    parts.push(Buffer.from(`$${Buffer.byteLength(word)}\r\n`), Buffer.from(word), Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

type Operation = NonNullable<Parameters<typeof create<typeof BatchRequestSchema>>[1]>['operations'];

async function openWalnut(port: number): Promise<Speaker> {
  const pipe = await Pipe.open(port, cutHttp as Cut);
  const batch = async (operations: Operation) => {
    const body = toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations } as never));
    const answer = await pipe.ask(post('/walnut.v1.KVStore/Batch', 'application/proto', body));
    const from = answer.indexOf('\r\n\r\n') + 4;
    if (answer.toString('latin1', 9, 12) !== '200') throw new Error(`Batch: ${answer.toString()}`);
    const { results } = fromBinary(BatchResponseSchema, answer.subarray(from));
    return results.map(({ result }) => {
      if (result.case === 'error') throw new Error(`an operation was refused: ${result.value.message}`);
      return result;
    });
  };
  return {
    set: async (pairs) => {
      await batch(pairs.map((value) => ({ operation: { case: 'set', value } })) as never);
    },
    delete: async (keys) => {
      await batch(keys.map((key) => ({ operation: { case: 'delete', value: { key } } })) as never);
    },
    get: async (keys) => {
      const results = await batch(
        keys.map((key) => ({ operation: { case: 'get', value: { key } } })) as never,
      );
      return results.map((result) => result.case === 'get' && result.value.found);
    },
    countedBytes: async () => {
      const answer = await pipe.ask(post('/walnut.v1.Admin/Status', 'application/json', Buffer.from('{}')));
      const { store } = JSON.parse(answer.subarray(answer.indexOf('\r\n\r\n') + 4).toString());
      return Number(store.bytes ?? 0);
    },
    close: () => pipe.close(),
  };
}

async function openRedis(port: number): Promise<Speaker> {
  const pipe = await Pipe.open(port, cutRedis);
  const all = (commands: readonly Buffer[]): Promise<boolean[]> => {
    const found: boolean[] = [];
    return new Promise((resolve) => {
      const note = (answer: Buffer): void => {
        // "$-1" is nothing.
        found.push(answer[1] !== 0x2d);
        if (found.length === commands.length) resolve(found);
      };
      pipe.send(Buffer.concat(commands), note);
      for (let i = 1; i < commands.length; i++) pipe.send('', note);
    });
  };
  return {
    set: async (pairs) => {
      await all(pairs.map(({ key, value }) => command(['SET', key, value])));
    },
    delete: async (keys) => {
      await all([command(['DEL', ...keys])]);
    },
    get: (keys) => all(keys.map((key) => command(['GET', key]))),
    countedBytes: async () => {
      const info = (await pipe.ask(command(['INFO', 'memory']))).toString();
      const read = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
      return read('used_memory') - read('used_memory_startup');
    },
    close: () => pipe.close(),
  };
}
