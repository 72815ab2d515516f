/** `coordinator`: which cluster a coordinator serves, and the metadata store in which that is decided. */
import { absolute, clusterName, hostPorts, oneOf, optionalFile } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';

const KINDS = ['file', 'etcd'] as const;

export interface MetadataConfig {
  readonly kind: (typeof KINDS)[number];
  /** The SQLite file of kind `file`; absolute where the working directory was given. */
  readonly file: string | undefined;
  /** `host:port` of etcd's members, for kind `etcd`. */
  readonly endpoints: readonly string[];
}

export interface CoordinatorConfig {
  /** The keys of the cluster in the store begin with `/walnut/<cluster>/`. */
  readonly cluster: string;
  readonly metadata: MetadataConfig;
}

export const COORDINATOR = defineSection({
  keys: () => ({
    cluster: clusterName('main'),
    'metadata.kind': oneOf(KINDS, 'file'),
    'metadata.file': optionalFile(),
    'metadata.endpoints': hostPorts(),
  }),
  read: (values, { cwd }): CoordinatorConfig => ({
    cluster: values.cluster,
    metadata: {
      kind: values['metadata.kind'],
      file: absolute(values['metadata.file'], cwd),
      endpoints: values['metadata.endpoints'],
    },
  }),
  print: ({ cluster, metadata: { kind, file, endpoints } }) => ({
    cluster,
    'metadata.kind': kind,
    ...(file === undefined ? {} : { 'metadata.file': file }),
    'metadata.endpoints': endpoints,
  }),
});
