/** Reads fields of protobuf's binary format, for decoders of the common form; the general decoder handles all others. */
export class ByteReader {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;

  open(bytes: Buffer): void {
    this.bytes = bytes;
    this.at = 0;
  }

  /** Reads a whole number below 2^53; returns -1 if it is larger, takes more than 8 bytes or ends beyond `end`. */
  varint(end: number): number {
    const { bytes } = this;
    let { at } = this;
    const first = bytes[at] as number;
    if (first < 0x80 && at < end) {
      this.at = at + 1;
      return first;
    }
    const second = bytes[at + 1] as number;
    if (second < 0x80 && at + 1 < end) {
      this.at = at + 2;
      return (first & 0x7f) | (second << 7);
    }
    let value = 0;
    let factor = 1;
    for (;;) {
      if (at >= end || factor > 2 ** 49) return -1;
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
      factor *= 128;
    }
    this.at = at;
    return value <= Number.MAX_SAFE_INTEGER ? value : -1;
  }

  /** Goes behind a number of any size, or to `end`. */
  skipVarint(end: number): void {
    while (this.at < end && (this.bytes[this.at++] as number) >= 0x80);
  }

  /** Reads a length and returns where the bytes of that length end; -1 if that is beyond `end`. */
  delimited(end: number): number {
    const length = this.varint(end);
    const to = this.at + length;
    return length < 0 || to > end ? -1 : to;
  }
}
