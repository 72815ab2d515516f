/** The metadata store that a configuration names, and its metrics. */
import { dirname } from 'node:path';
import type { MetadataConfig } from '#config/sections/coordinator.ts';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { EtcdStore } from '#metadata/etcd/etcd-store.ts';
import { openFileStore } from '#metadata/file/file-store.ts';
import { createMeasuredStore } from '#metadata/measured-store.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { DURATION_BUCKETS_S, type Metrics } from '#platform/metrics.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';

export interface MetadataParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Rejects with `failed_precondition` where a file cannot be opened. etcd is connected to by the first call. */
export async function openMetadata(config: MetadataConfig, parts: MetadataParts): Promise<MetadataStore> {
  const { clock, metrics } = parts;
  const store = await open(config, parts);
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

async function open(
  { kind, file, endpoints }: MetadataConfig,
  { clock, logger }: MetadataParts,
): Promise<MetadataStore> {
  if (kind === 'etcd') return new EtcdStore(endpoints.map((address) => tryEndpoint(address) as Endpoint));
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
