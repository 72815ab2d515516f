/** Reads an RDB file key by key, in bounded memory. Fails with what is wrong, and at which byte. */
import { Crc64 } from './crc64.ts';
import { type RdbKey, readRdb, VERSION_WITH_CHECKSUM } from './rdb-keys.ts';

/** Longer values are passed over. No node takes such values by default. */
export const VALUE_BYTES_MAX = 64 * 1_024 * 1_024;
const CHECKSUM_BYTES = 8;

/** `onBytes` is told how many bytes were read. */
export async function* rdbKeys(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void = () => undefined,
): AsyncGenerator<RdbKey, void, undefined> {
  const source = new ByteSource(chunks, onBytes);
  const reader = readRdb(VALUE_BYTES_MAX);
  try {
    let step = reader.next();
    while (!step.done) {
      if (typeof step.value === 'number') {
        // Awaited only where the bytes are not there yet.
        const bytes = source.tryTake(step.value) ?? (await source.take(step.value));
        step = reader.next(bytes);
      } else {
        yield step.value;
        step = reader.next();
      }
    }
    if (step.value >= VERSION_WITH_CHECKSUM) await checkSum(source);
  } catch (error) {
    throw new Error(`not an RDB file, or damaged at byte ${source.offset}: ${(error as Error).message}`);
  } finally {
    await source.close();
  }
}

async function checkSum(source: ByteSource): Promise<void> {
  const actual = source.checksum;
  const told = (await source.take(CHECKSUM_BYTES)).readBigUInt64LE();
  // Redis writes 0 where its `rdbchecksum` is off.
  if (told !== 0n && told !== actual) throw new Error('its checksum does not fit what stands before it');
}

class ByteSource {
  offset = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #onBytes: (bytes: number) => void;
  readonly #crc = new Crc64();
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#onBytes = onBytes;
  }

  /** The sum of all bytes that were taken. */
  get checksum(): bigint {
    return this.#crc.value;
  }

  /** Like `take`; undefined where more must be read first. */
  tryTake(count: number): Buffer | undefined {
    const bytes = Math.abs(count);
    if (bytes > this.#rest.length) return undefined;
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    this.#crc.update(taken);
    this.offset += bytes;
    return taken;
  }

  /** The next `count` bytes. A negative count passes over so many, and what is returned is a part of them. */
  async take(count: number): Promise<Buffer> {
    for (let left = -count; left > this.#rest.length; ) {
      left -= this.#rest.length;
      count = -left;
      this.tryTake(this.#rest.length);
      this.#rest = await this.#read();
    }
    const parts = [this.#rest];
    for (let bytes = this.#rest.length; bytes < count; bytes += parts.at(-1)?.length ?? 0)
      parts.push(await this.#read());
    if (parts.length > 1) this.#rest = Buffer.concat(parts);
    return this.tryTake(count) as Buffer;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #read(): Promise<Buffer> {
    const next = await this.#chunks.next();
    if (next.done === true) throw new Error('it ends too early');
    this.#onBytes(next.value.length);
    return Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
  }
}
