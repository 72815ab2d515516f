/**
 * JSON that ends with the SHA-256 of all before it: how manifests of backups are written. A text in
 * which any byte was changed is refused. Pure; decoding returns what is wrong as text.
 */
import { sha256Hex } from '#platform/sha256.ts';

export function encodeSealed(value: object): Buffer {
  const sha256 = sha256Hex(Buffer.from(JSON.stringify(value)));
  return Buffer.from(`${JSON.stringify({ ...value, sha256 }, null, 2)}\n`);
}

/** The value that `encodeSealed` was given, if it is of this format. */
export function tryDecodeSealed(bytes: Uint8Array, format: number): object | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return 'it is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'it is not a JSON object';
  const { sha256, ...sealed } = value as Record<string, unknown> & { sha256?: unknown };
  if (sealed['format'] !== format)
    return `format ${JSON.stringify(sealed['format'])} is not known to this program`;
  if (sha256 !== sha256Hex(Buffer.from(JSON.stringify(sealed)))) return 'its own SHA-256 differs';
  return encodeSealed(sealed).equals(bytes) ? sealed : 'its text was changed';
}
