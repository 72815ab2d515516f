/** Authorities and certificates for tests (X.509, RFC 5280), made by the platform's own cryptography. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface CertificateOptions {
  readonly cn?: string;
  readonly dns?: readonly string[];
  /** IPv4. */
  readonly ip?: readonly string[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
  /** Wall time. Default: from an hour ago until in a day. */
  readonly from?: Date;
  readonly to?: Date;
  /** Extended key usage. Default: none is stated, so the certificate is good for both. */
  readonly usage?: 'server' | 'client';
}

export interface AuthorityLimits {
  /** False for one that may not sign others. */
  readonly isReal?: boolean;
  /** How many authorities there may be between it and the last certificate. */
  readonly pathLength?: number;
  /** Extended key usage. Default: none is stated. */
  readonly usage?: 'server' | 'client';
  /** It may sign for names in this domain only. */
  readonly domain?: string;
  /** Wall time. Default: from an hour ago until in a day. */
  readonly from?: Date;
  readonly to?: Date;
}

/** Both in PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

const HOUR_MS = 3_600_000;

export class Authority {
  /** In PEM. */
  readonly cert: string;
  readonly #name: string;
  readonly #key: KeyObject;

  /** Its own certificate is signed by `parent`, or by itself. */
  constructor(name = 'test authority', parent?: Authority, limits: AuthorityLimits = {}) {
    this.#name = name;
    this.#key = newKeyPair().privateKey;
    this.cert = this.signedBy(parent ?? this, limits);
  }

  /** Another certificate for its name and key, in PEM. */
  signedBy(parent: Authority, limits: AuthorityLimits = {}): string {
    return parent.#sign({ cn: this.#name, ...limits }, createPublicKey(this.#key), extensionsOf(limits));
  }

  /** Default: a certificate for localhost and 127.0.0.1. */
  issue(options: CertificateOptions = { cn: 'localhost', dns: ['localhost'], ip: ['127.0.0.1'] }): Issued {
    const { privateKey, publicKey } = newKeyPair();
    const names = alternativeNames(options);
    const extensions = names === undefined ? [] : [names];
    if (options.usage !== undefined) extensions.push(usageOf(options.usage));
    const cert = this.#sign(options, publicKey, extensions);
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #sign(options: CertificateOptions, publicKey: KeyObject, extensions: readonly Buffer[]): string {
    const {
      cn = '',
      from = new Date(Date.now() - HOUR_MS),
      to = new Date(Date.now() + 24 * HOUR_MS),
    } = options;
    const body = sequence(
      tag(0xa0, integer(2)),
      integer(++serial),
      ECDSA_WITH_SHA256,
      nameOf(this.#name),
      sequence(time(from), time(to)),
      nameOf(cn),
      publicKey.export({ type: 'spki', format: 'der' }),
      ...(extensions.length === 0 ? [] : [tag(0xa3, sequence(...extensions))]),
    );
    const signature = tag(0x03, Buffer.of(0), sign('sha256', body, this.#key));
    const der = sequence(body, ECDSA_WITH_SHA256, signature);
    const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
    return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  }
}

let serial = 0x1000;

function newKeyPair() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function tag(type: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(type, ...size), content]);
}

function sequence(...contents: readonly Uint8Array[]): Buffer {
  return tag(0x30, ...contents);
}

/** From 0 to 0x7fff. */
function integer(value: number): Buffer {
  return tag(0x02, value < 0x80 ? Buffer.of(value) : Buffer.of(value >> 8, value & 0xff));
}

/** `bytes`: the encoded arcs. */
function oid(...bytes: number[]): Buffer {
  return tag(0x06, Buffer.from(bytes));
}

function time(date: Date): Buffer {
  return tag(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

function nameOf(cn: string): Buffer {
  return cn === '' ? sequence() : sequence(tag(0x31, sequence(oid(0x55, 4, 3), tag(0x0c, Buffer.from(cn)))));
}

function extension(id: number, critical: boolean, content: Buffer): Buffer {
  return sequence(
    oid(0x55, 0x1d, id),
    critical ? tag(0x01, Buffer.of(0xff)) : Buffer.alloc(0),
    tag(0x04, content),
  );
}

function alternativeNames({
  dns = [],
  ip = [],
  uri = [],
  email = [],
}: CertificateOptions): Buffer | undefined {
  const text = (type: number, names: readonly string[]): Buffer[] =>
    names.map((name) => tag(type, Buffer.from(name)));
  const names = [
    ...text(0x82, dns),
    ...text(0x86, uri),
    ...text(0x81, email),
    ...ip.map((address) => tag(0x87, Buffer.from(address.split('.').map(Number)))),
  ];
  return names.length === 0 ? undefined : extension(17, false, sequence(...names));
}

const ECDSA_WITH_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2));
const USAGES = { server: oid(0x2b, 6, 1, 5, 5, 7, 3, 1), client: oid(0x2b, 6, 1, 5, 5, 7, 3, 2) };
function usageOf(usage: 'server' | 'client'): Buffer {
  return extension(37, false, sequence(USAGES[usage]));
}

function extensionsOf({ isReal = true, pathLength, usage, domain }: AuthorityLimits): Buffer[] {
  if (!isReal) return [];
  const length = pathLength === undefined ? [] : [integer(pathLength)];
  const names = domain === undefined ? undefined : tag(0xa0, sequence(tag(0x82, Buffer.from(domain))));
  return [
    extension(19, true, sequence(tag(0x01, Buffer.of(0xff)), ...length)),
    CA_USAGE,
    ...(usage === undefined ? [] : [usageOf(usage)]),
    ...(names === undefined ? [] : [extension(30, true, sequence(names))]),
  ];
}

/** Signs certificates. */
const CA_USAGE = extension(15, true, tag(0x03, Buffer.of(2, 0x04)));
