/** CRC-64 of redis (Jones's polynomial, reflected, from 0), in two halves, since JavaScript has no 64-bit integers that are fast. Pure. */

const POLYNOMIAL_HIGH = 0x95ac9329;
const POLYNOMIAL_LOW = 0xac4bc9b5;
const [HIGH, LOW] = makeTables();

export class Crc64 {
  #high = 0;
  #low = 0;

  update(bytes: Uint8Array): void {
    let [high, low] = [this.#high, this.#low];
    for (let i = 0; i < bytes.length; i++) {
      const entry = (low ^ (bytes[i] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (LOW[entry] as number);
      high = (high >>> 8) ^ (HIGH[entry] as number);
    }
    [this.#high, this.#low] = [high, low];
  }

  get value(): bigint {
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0);
  }
}

function makeTables(): readonly [Uint32Array, Uint32Array] {
  const tables = [new Uint32Array(256), new Uint32Array(256)] as const;
  for (let entry = 0; entry < 256; entry++) {
    let [high, low] = [0, entry];
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = (low & 1) === 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (!isOdd) continue;
      low ^= POLYNOMIAL_LOW;
      high ^= POLYNOMIAL_HIGH;
    }
    tables[0][entry] = high;
    tables[1][entry] = low;
  }
  return tables;
}
