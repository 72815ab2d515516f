// @ts-check
/** A value as text: UTF-8 as it is, anything else in hexadecimal. Pure. */

const SHOWN_BYTES = 4_096;

/**
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/**
 * @param {Uint8Array} bytes
 * @param {number} [bytesMax]
 * @returns {{ form: 'text' | 'hexadecimal', text: string, isCut: boolean }}
 */
export function showValue(bytes, bytesMax = SHOWN_BYTES) {
  const isCut = bytes.length > bytesMax;
  const shown = bytes.subarray(0, bytesMax);
  const text = tryText(shown, isCut);
  if (text !== undefined) return { form: 'text', text, isCut };
  return { form: 'hexadecimal', text: hexOf(shown), isCut };
}

/**
 * Undefined where the bytes are no text: ill-formed UTF-8, or control characters.
 * @param {Uint8Array} bytes
 * @param {boolean} isCut the last character may lack bytes
 */
function tryText(bytes, isCut) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: isCut });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a value with them is shown in hexadecimal
    return /[\u0000-\u0008\u000e-\u001f\u007f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** @param {Uint8Array} bytes */
function hexOf(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join('\n');
}
