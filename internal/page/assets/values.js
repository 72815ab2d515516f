// @ts-check
/** A value as text: UTF-8 as it is, anything else in hexadecimal. Pure. */

const SHOWN_BYTES = 4_096;
const PREVIEW_BYTES = 80;
/** Base64 of 84 bytes: as many as tell whether there are more than are shown. */
const PREVIEW_CHARS = 112;

/**
 * @param {string} base64
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  // Several times as fast as Uint8Array.from with a function.
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/**
 * The start of a value on one line; the rest is not decoded.
 * @param {string} base64
 */
export function previewOf(base64) {
  const { form, text, isCut } = showValue(bytesOf(base64.slice(0, PREVIEW_CHARS)), PREVIEW_BYTES);
  if (form === 'text') return isCut ? `${text}…` : text;
  const hex = text.split('\n').map((line) => line.slice(6, 53).trimEnd());
  return `${hex.join(' ')}${isCut ? '…' : ''}`;
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
 * Undefined where the bytes are no text: ill-formed UTF-8, or characters that control, turn the text
 * round or are not seen. The joiners U+200C and U+200D belong to words of some languages.
 * @param {Uint8Array} bytes
 * @param {boolean} isCut the last character may lack bytes
 */
function tryText(bytes, isCut) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
    return /(?![\t\n\v\f\r\u200c\u200d])[\p{Cc}\p{Cf}]/u.test(text) ? undefined : text;
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
