/**
 * Bytes that are given away together with the room before and behind them in their buffer,
 * so that a record can be made around a value without copying it. The giver does not write
 * to the buffer again.
 */

/** Those whose room nobody has taken yet. */
const given = new WeakSet<Uint8Array>();

/** `bytes` of fresh memory, with at least so many before and behind them. */
export function allocateWithRoom(bytes: number, beforeBytes: number, behindBytes: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(beforeBytes + bytes + behindBytes);
  return whole.subarray(beforeBytes, beforeBytes + bytes);
}

/** Returns `bytes`, which must be all that its buffer contains of use. */
export function giveRoom<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  given.add(bytes);
  return bytes;
}

/**
 * The buffer of `bytes` from `beforeBytes` before them to its end. Undefined if there is less
 * room before them, or if their room was not given away or was taken before.
 */
export function tryTakeRoom(bytes: Uint8Array, beforeBytes: number): Buffer | undefined {
  if (bytes.byteOffset < beforeBytes || !given.delete(bytes)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset - beforeBytes);
}
