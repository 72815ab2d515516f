/** What keys of `coordinator.metadata` need of each other. Pure. */
import type { CrossProblem } from '#config/check-security.ts';
import type { MetadataConfig } from '#config/sections/coordinator.ts';

export function checkMetadata({ kind, file, endpoints }: MetadataConfig): CrossProblem[] {
  const problem = (name: string, message: string): CrossProblem => ({
    section: 'coordinator',
    key: `metadata.${name}`,
    message,
  });
  const beside = (other: string): string => `expected coordinator.metadata.kind: ${other} beside it`;
  if (kind === 'file') {
    const foreign = endpoints.length === 0 ? [] : [problem('endpoints', beside('etcd'))];
    const missing = 'missing: expected the path of the file that keeps the map, as metadata.kind is file';
    return file === undefined ? [...foreign, problem('file', missing)] : foreign;
  }
  const foreign = file === undefined ? [] : [problem('file', beside('file'))];
  const missing =
    'missing: expected the addresses of etcd, such as ["etcd-1:2379"], as metadata.kind is etcd';
  return endpoints.length === 0 ? [...foreign, problem('endpoints', missing)] : foreign;
}
