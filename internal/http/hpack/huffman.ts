/**
 * Strings in the Huffman code of RFC 7541, section 5.2, decoded four bits at a
 * time: the shortest code has five, so four bits complete at most one symbol.
 * Decoding returns undefined for what the RFC refuses: EOS within a string,
 * padding of more than seven bits, padding that is not the beginning of EOS.
 */
import { CODE_BITS, CODES, EOS } from './huffman-code.ts';

/** A node of the code's tree times 16, plus four bits of input, is an index into both tables. */
const NEXT = new Uint16Array(256 * 16);
/** The octet completed by the four bits; NONE where none is, BAD where they lead to EOS. */
const EMITS = new Int16Array(256 * 16);
const NONE = -1;
const BAD = -2;
/** 1 for the nodes at which a string may end: at most seven bits, all ones, below the root. */
const MAY_END = new Uint8Array(256);

buildTables();

function buildTables(): void {
  const { left, right } = buildTree();
  for (let node = 0; node < 256; node++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let at = node;
      let emitted = NONE;
      for (let bit = 3; bit >= 0 && emitted !== BAD; bit--) {
        const next = ((nibble >> bit) & 1 ? right : left)[at] as number;
        // A leaf is kept as -1 - symbol.
        at = next < 0 ? 0 : next;
        if (next < 0) emitted = -1 - next === EOS ? BAD : -1 - next;
      }
      NEXT[node * 16 + nibble] = at;
      EMITS[node * 16 + nibble] = emitted;
    }
  }
  let node = 0;
  for (let ones = 0; ones <= 7; ones++) {
    MAY_END[node] = 1;
    node = right[node] as number;
  }
}

function buildTree(): { left: Int16Array; right: Int16Array } {
  const left = new Int16Array(256);
  const right = new Int16Array(256);
  let nodes = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = (CODE_BITS[symbol] as number) - 1; bit >= 0; bit--) {
      const side = ((CODES[symbol] as number) >>> bit) & 1 ? right : left;
      if (bit === 0) side[node] = -1 - symbol;
      else {
        if (side[node] === 0) side[node] = nodes++;
        node = side[node] as number;
      }
    }
  }
  return { left, right };
}

/** Room for what is being decoded; grows to 8/5 of the longest string met, which the block's length bounds. */
let scratch = Buffer.allocUnsafeSlow(1024);

/** The octets of `bytes[from, to)` as a latin-1 string; undefined where they are no Huffman code. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number): string | undefined {
  const longest = Math.floor(((to - from) * 8) / 5);
  if (scratch.length < longest) scratch = Buffer.allocUnsafeSlow(longest);
  let node = 0;
  let length = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    const high = node * 16 + (byte >> 4);
    const first = EMITS[high] as number;
    const low = (NEXT[high] as number) * 16 + (byte & 15);
    const second = EMITS[low] as number;
    if (first === BAD || second === BAD) return undefined;
    if (first !== NONE) scratch[length++] = first;
    if (second !== NONE) scratch[length++] = second;
    node = NEXT[low] as number;
  }
  return MAY_END[node] === 1 ? scratch.toString('latin1', 0, length) : undefined;
}

/** Octets that `text` takes in the Huffman code, padding included. Throws for characters above latin-1. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError(`expected latin-1 characters in a header field, got ${code}`);
    bits += CODE_BITS[code] as number;
  }
  return (bits + 7) >>> 3;
}

/** Writes `text` (latin-1) at `at`, padded with ones; returns where it ends. */
export function encodeHuffman(text: string, target: Uint8Array, at: number): number {
  let end = at;
  let held = 0;
  let heldBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i);
    let bits = CODE_BITS[symbol] as number;
    const code = CODES[symbol] as number;
    while (bits > 0) {
      // At most 8 - heldBits at a time: 30 bits and those held would not fit 32.
      const taken = Math.min(bits, 8 - heldBits);
      held = (held << taken) | ((code >>> (bits - taken)) & ((1 << taken) - 1));
      heldBits += taken;
      bits -= taken;
      if (heldBits === 8) {
        target[end++] = held;
        held = 0;
        heldBits = 0;
      }
    }
  }
  if (heldBits > 0) target[end++] = (held << (8 - heldBits)) | (0xff >> heldBits);
  return end;
}
