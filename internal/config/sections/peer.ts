/** `peer`: how this node calls the others of its group, and with which credential. */
import { absolute, optionalFile, optionalHostName } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';

export interface PeerTlsConfig {
  /**
   * The file with the authorities that sign the certificates of the others. Undefined: they
   * are called in clear text. Otherwise they never are. Paths are absolute where the working
   * directory was given.
   */
  readonly ca: string | undefined;
  /** What this node shows to the others. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name that the certificates of all others are for; undefined: the host of the address. */
  readonly serverName: string | undefined;
}

export interface PeerConfig {
  /** The file with the token that this node sends to the others of its group. */
  readonly tokenFile: string | undefined;
  readonly tls: PeerTlsConfig;
}

export const PEER = defineSection({
  keys: () => ({
    token_file: optionalFile(),
    'tls.ca': optionalFile(),
    'tls.cert': optionalFile(),
    'tls.key': optionalFile(),
    'tls.server_name': optionalHostName(),
  }),
  read: (values, { cwd }): PeerConfig => ({
    tokenFile: absolute(values.token_file, cwd),
    tls: {
      ca: absolute(values['tls.ca'], cwd),
      cert: absolute(values['tls.cert'], cwd),
      key: absolute(values['tls.key'], cwd),
      serverName: values['tls.server_name'],
    },
  }),
  print: ({ tokenFile, tls }) => {
    const values = {
      token_file: tokenFile,
      'tls.ca': tls.ca,
      'tls.cert': tls.cert,
      'tls.key': tls.key,
      'tls.server_name': tls.serverName,
    };
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  },
});
