/** `coordinator`: which cluster a coordinator serves, and the metadata store in which that is decided. */
import {
  absolute,
  clusterName,
  hostPorts,
  oneOf,
  optionalFile,
  optionalHostName,
  optionalText,
} from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';

const KINDS = ['file', 'etcd'] as const;

export interface MetadataConfig {
  readonly kind: (typeof KINDS)[number];
  /** The SQLite file of kind `file`; absolute where the working directory was given. */
  readonly file: string | undefined;
  /** `host:port` of etcd's members, for kind `etcd`. */
  readonly endpoints: readonly string[];
  /**
   * The file with the authorities that sign the certificates of etcd's members. Undefined: they
   * are called in clear text; otherwise they never are. Files are absolute where the working
   * directory was given.
   */
  readonly ca: string | undefined;
  /** What this coordinator shows to etcd. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name that the certificates of all members are for; undefined: the host of the address. */
  readonly serverName: string | undefined;
  /** The user of etcd; undefined: calls bring no token. */
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
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
    'metadata.ca': optionalFile(),
    'metadata.cert': optionalFile(),
    'metadata.key': optionalFile(),
    'metadata.server_name': optionalHostName(),
    'metadata.username': optionalText('the name of a user of etcd', 128),
    'metadata.password_file': optionalFile(),
  }),
  read: (values, { cwd }): CoordinatorConfig => ({
    cluster: values.cluster,
    metadata: {
      kind: values['metadata.kind'],
      file: absolute(values['metadata.file'], cwd),
      endpoints: values['metadata.endpoints'],
      ca: absolute(values['metadata.ca'], cwd),
      cert: absolute(values['metadata.cert'], cwd),
      key: absolute(values['metadata.key'], cwd),
      serverName: values['metadata.server_name'],
      username: values['metadata.username'],
      passwordFile: absolute(values['metadata.password_file'], cwd),
    },
  }),
  print: ({ cluster, metadata }) => {
    const values = {
      cluster,
      'metadata.kind': metadata.kind,
      'metadata.file': metadata.file,
      'metadata.endpoints': metadata.endpoints,
      'metadata.ca': metadata.ca,
      'metadata.cert': metadata.cert,
      'metadata.key': metadata.key,
      'metadata.server_name': metadata.serverName,
      'metadata.username': metadata.username,
      'metadata.password_file': metadata.passwordFile,
    };
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  },
});
