/** The metadata store that a configuration names, and its metrics. */
import { dirname } from 'node:path';
import type { MetadataConfig } from '#config/sections/coordinator.ts';
import { type Endpoint, type TlsDialer, tryEndpoint } from '#dial/endpoint.ts';
import { EtcdStore } from '#metadata/etcd/etcd-store.ts';
import { openFileStore } from '#metadata/file/file-store.ts';
import { createMeasuredStore } from '#metadata/measured-store.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import { WalnutError } from '#model/errors.ts';
import { DURATION_BUCKETS_S } from '#platform/metrics.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import type { TlsFiles } from '#tls/tls-files.ts';
import { openPassword, type SecurityParts } from '../node/node-security.ts';
import { dialerOf, openFiles } from '../node/node-tls.ts';

/** The certificates of calls to etcd; undefined: they go in clear text. Throws `SecretFileError` where a file cannot be used. */
export async function openMetadataTls(
  { ca, cert, key }: MetadataConfig,
  parts: SecurityParts,
): Promise<TlsFiles | undefined> {
  return ca === undefined ? undefined : openFiles('coordinator.metadata', { ca, cert, key }, parts);
}

/**
 * Rejects with `failed_precondition` where a file of the map cannot be opened, with `SecretFileError`
 * where that of the password cannot be used. etcd is connected to by the first call.
 */
export async function openMetadata(
  config: MetadataConfig,
  tls: TlsFiles | undefined,
  parts: SecurityParts,
): Promise<MetadataStore> {
  const { clock, metrics } = parts;
  const store = config.kind === 'etcd' ? await openEtcd(config, tls, parts) : await openFile(config, parts);
  const seconds = metrics.histogramFamily(
    'walnut_metadata_call_duration_seconds',
    'Time of calls to the metadata store that were answered, by call.',
    ['call'],
    DURATION_BUCKETS_S,
  );
  const failures = metrics.counterFamily(
    'walnut_metadata_failures_total',
    'Calls to the metadata store that gave no answer, by call.',
    ['call'],
  );
  return createMeasuredStore(
    store,
    () => clock.monotonicMs(),
    (call, ms, isAnswered) => {
      if (isAnswered) seconds.with({ call }).observe(ms / 1_000);
      else failures.with({ call }).inc();
    },
  );
}

async function openEtcd(
  { endpoints, serverName, username, passwordFile }: MetadataConfig,
  tls: TlsFiles | undefined,
  parts: SecurityParts,
): Promise<MetadataStore> {
  const dialer = tls && dialerOf(tls, serverName);
  const user =
    username === undefined || passwordFile === undefined
      ? undefined
      : { name: username, password: await openPassword(passwordFile, 'the user of etcd', parts) };
  return new EtcdStore({
    endpoints: endpoints.map((address) => toEndpoint(address, dialer)),
    user,
    monotonicMs: () => parts.clock.monotonicMs(),
  });
}

function toEndpoint(address: string, tls: TlsDialer | undefined): Endpoint {
  return { ...(tryEndpoint(address) as Endpoint), tls };
}

async function openFile({ file }: MetadataConfig, { clock, logger }: SecurityParts): Promise<MetadataStore> {
  const path = file as string;
  await makeDirectoryOf(path);
  const store = await openFileStore(path, clock);
  logger.info({ file: path }, 'the metadata store is a file: this is the only coordinator of the cluster');
  return store;
}

async function makeDirectoryOf(file: string): Promise<void> {
  try {
    await createNodeFileSystem().makeDirectory(dirname(file));
  } catch (error) {
    const why = `coordinator.metadata.file ${file}: its directory cannot be made: ${(error as Error).message}`;
    throw new WalnutError('failed_precondition', why, { cause: error });
  }
}
