/** A real etcd of one member that takes TLS with client certificates only, and calls of users only. */
import * as fs from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Endpoint } from '#dial/endpoint.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import { Authority, type Issued } from '#test/doubles/certificates.ts';
import { EtcdProcess } from '#test/metadata/etcd-process.ts';

/** It has the keys that begin with a slash. */
export const ETCD_USER = { name: 'walnut', password: 'a secret' };

interface Guarded {
  readonly etcd: EtcdProcess;
  /** By TLS, with a certificate that etcd knows for no user. */
  readonly endpoints: readonly Endpoint[];
}

/** Resolves when `ETCD_USER` is a user. */
export async function startGuardedEtcd(): Promise<Guarded> {
  const authority = new Authority();
  const etcd = await EtcdProcess.start(1, 'https', (directory) => flagsFor(authority, directory));
  const shown = { ca: authority.cert, ...authority.issue({ cn: 'nobody in particular' }) };
  const tls = createTlsDialer({ material: () => shown, serverName: undefined });
  await addUser(etcd.endpoints[0] as Endpoint, shown);
  return { etcd, endpoints: etcd.endpoints.map((endpoint) => ({ ...endpoint, tls })) };
}

async function flagsFor(authority: Authority, directory: string): Promise<readonly string[]> {
  const { cert, key } = authority.issue();
  const files = { 'ca.crt': authority.cert, 'etcd.crt': cert, 'etcd.key': key };
  for (const [name, text] of Object.entries(files)) await fs.writeFile(join(directory, name), text);
  return [
    `--trusted-ca-file=${join(directory, 'ca.crt')}`,
    `--cert-file=${join(directory, 'etcd.crt')}`,
    `--key-file=${join(directory, 'etcd.key')}`,
    '--client-cert-auth',
    '--bcrypt-cost=4',
  ];
}

type Shown = Issued & { readonly ca: string };

/** By the JSON that etcd speaks beside gRPC. */
async function addUser(at: Endpoint, shown: Shown): Promise<void> {
  const { name, password } = ETCD_USER;
  const key = Buffer.from('/').toString('base64');
  const perm = { permType: 'READWRITE', key, range_end: Buffer.from('0').toString('base64') };
  const steps: [string, object][] = [
    ['role/add', { name: 'root' }],
    ['role/add', { name: 'coordinators' }],
    ['role/grant', { name: 'coordinators', perm }],
    ['user/add', { name: 'root', password: 'root' }],
    ['user/grant', { user: 'root', role: 'root' }],
    ['user/add', { name, password }],
    ['user/grant', { user: name, role: 'coordinators' }],
    ['enable', {}],
  ];
  for (const [path, body] of steps) await post(at, `/v3/auth/${path}`, body, shown);
}

/** Repeated until etcd has started. */
async function post({ host, port }: Endpoint, path: string, body: object, shown: Shown): Promise<void> {
  for (let tries = 0; ; tries++) {
    const status = await new Promise<number>((resolve) => {
      const call = request({ host, port, path, method: 'POST', ...shown }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      });
      call.on('error', () => resolve(0));
      call.end(JSON.stringify(body));
    });
    if (status === 200) return;
    if (tries > 200) throw new Error(`etcd answers ${path} with ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
