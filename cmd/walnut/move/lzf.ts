/** LZF, by which redis compresses strings: runs of literals, and references to what came before. Pure. */

const LITERALS_MAX = 32;
/** A longer reference says the rest of its length in a byte of its own. */
const LENGTH_LONG = 7;
const LENGTH_MIN = 2;

/** Throws unless `input` is the compressed form of exactly `bytes` bytes. */
export function expandLzf(input: Uint8Array, bytes: number): Buffer {
  const output = Buffer.alloc(bytes);
  let from = 0;
  let to = 0;
  const next = (): number => {
    const byte = input[from++];
    if (byte === undefined) throw new Error('compressed text ends too early');
    return byte;
  };
  while (from < input.length) {
    const control = next();
    if (control < LITERALS_MAX) {
      const end = from + control + 1;
      if (end > input.length || to + control + 1 > bytes) throw new Error('compressed text is damaged');
      output.set(input.subarray(from, end), to);
      from = end;
      to += control + 1;
      continue;
    }
    const short = control >> 5;
    const length = (short === LENGTH_LONG ? short + next() : short) + LENGTH_MIN;
    let source = to - ((control & 0x1f) << 8) - next() - 1;
    if (source < 0 || to + length > bytes) throw new Error('compressed text is damaged');
    // Byte after byte, because a reference may reach into what it makes.
    for (const end = to + length; to < end; ) output[to++] = output[source++] as number;
  }
  if (to !== bytes) throw new Error(`compressed text has ${to} bytes: expected ${bytes}`);
  return output;
}
