/**
 * A certificate authority for tests: issues X.509 certificates of P-256 keys in memory, in
 * about a millisecond each, without openssl.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';

export interface CertificateOptions {
  readonly commonName?: string;
  /** Subject alternative names: `DNS:…`, `IP:…`, `URI:…` or `email:…`. Default: IP 127.0.0.1 and DNS localhost. */
  readonly names?: readonly string[];
  /** Milliseconds since 1970. Default: from a day ago to a day from now. */
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Extended key usage. Default: none is stated, so the certificate is good for both. */
  readonly usage?: 'server' | 'client';
}

/** PEM texts. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const USAGES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };

export class TestAuthority {
  /** Its own certificate, PEM. */
  readonly ca: string;
  readonly #name: Buffer;
  readonly #key: KeyObject;

  constructor(name = 'Walnut test authority') {
    this.#name = nameOf(name);
    const { publicKey, privateKey } = newKey();
    this.#key = privateKey;
    const isAuthority = extension('2.5.29.19', sequence(der(0x01, Buffer.of(0xff))), true);
    this.ca = this.#sign(this.#name, publicKey, [isAuthority], Date.now() - DAY_MS, Date.now() + DAY_MS);
  }

  issue(options: CertificateOptions = {}): Issued {
    const { commonName = 'node', names = ['IP:127.0.0.1', 'DNS:localhost'], usage } = options;
    const { publicKey, privateKey } = newKey();
    const extensions =
      names.length === 0 ? [] : [extension('2.5.29.17', sequence(...names.map(alternative)))];
    if (usage !== undefined) extensions.push(extension('2.5.29.37', sequence(oid(USAGES[usage]))));
    const { fromMs = Date.now() - DAY_MS, toMs = Date.now() + DAY_MS } = options;
    const cert = this.#sign(nameOf(commonName), publicKey, extensions, fromMs, toMs);
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  #sign(subject: Buffer, key: KeyObject, extensions: Buffer[], fromMs: number, toMs: number): string {
    const body = sequence(
      der(0xa0, der(0x02, Buffer.of(2))),
      der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
      ECDSA_SHA256,
      this.#name,
      sequence(time(fromMs), time(toMs)),
      subject,
      key.export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
    );
    const signature = sign('sha256', body, this.#key);
    const whole = sequence(body, ECDSA_SHA256, der(0x03, Buffer.concat([Buffer.of(0), signature])));
    const lines = whole.toString('base64').replace(/.{1,64}/g, '$&\n');
    return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
  }
}

function newKey(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function der(tag: number, contents: Buffer): Buffer {
  const { length } = contents;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...head), contents]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [40 * first + second];
  for (const number of rest) {
    const septets = [number & 127];
    for (let left = number >> 7; left > 0; left >>= 7) septets.unshift((left & 127) | 128);
    bytes.push(...septets);
  }
  return der(0x06, Buffer.from(bytes));
}

function nameOf(commonName: string): Buffer {
  const attribute = sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)));
  return sequence(der(0x31, attribute));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [der(0x01, Buffer.of(0xff))] : [];
  return sequence(oid(id), ...critical, der(0x04, value));
}

function alternative(text: string): Buffer {
  const [, kind, value = ''] = /^(DNS|IP|URI|email):(.*)$/.exec(text) ?? [];
  if (kind === 'IP') return der(0x87, addressBytes(value));
  const tag = { email: 0x81, DNS: 0x82, URI: 0x86 }[kind as 'email' | 'DNS' | 'URI'];
  if (tag === undefined) throw new Error(`${text} is no alternative name`);
  return der(tag, Buffer.from(value));
}

function addressBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text)) throw new Error(`${text} is no address`);
  const [left = '', right = ''] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(left), groups(right)];
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}
