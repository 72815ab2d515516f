/**
 * The files of one side of TLS, looked at every second. Certificate, key and authorities are
 * taken together, when two looks find the same and they fit: new ones serve the connections
 * that begin from then on. What does not fit changes nothing, and is told.
 */
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { FollowedFile } from '#platform/followed-file.ts';
import type { Logger } from '#platform/logger.ts';
import { readPublicFile, readSecretFile } from '#platform/secret-file.ts';
import {
  checkTlsMaterial,
  objectionToValidity,
  type TlsMaterial,
  type TlsParts,
  validityOf,
} from '#tls/tls-material.ts';

export interface TlsFilesOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The section of the configuration that names the files, for messages and metrics. */
  readonly section: 'server.tls' | 'peer.tls' | 'coordinator.metadata' | 'metrics.otlp';
  readonly paths: TlsParts;
}

/** Seconds until what a section has expires. */
export interface Expiry {
  readonly own: number | undefined;
  readonly authority: number | undefined;
}

export class TlsFiles {
  readonly section: TlsFilesOptions['section'];
  readonly #options: TlsFilesOptions;
  readonly #file: FollowedFile<TlsMaterial>;
  #listeners: ((material: TlsMaterial) => void)[] = [];

  private constructor(options: TlsFilesOptions, file: FollowedFile<TlsMaterial>) {
    this.section = options.section;
    this.#options = options;
    this.#file = file;
  }

  /** Rejects with `SecretFileError` where the files cannot be used. */
  static async open(options: TlsFilesOptions): Promise<TlsFiles> {
    const { clock, logger, section, paths } = options;
    const warnOfValidity = (material: TlsMaterial): void => warn(material, options);
    let inForce: TlsMaterial | undefined;
    const file = await FollowedFile.open({
      clock,
      name: section,
      read: () => readTexts(options),
      parse: (text) => {
        const material = checkTlsMaterial(JSON.parse(text) as TlsParts, paths);
        const objections = [inForce, material].map((one) =>
          objectionToValidity(one?.validity, clock.wallMs()),
        );
        // It is asked again every second, so one that is not valid yet is taken when it is.
        if (inForce !== undefined && objections[0] === undefined && objections[1] !== undefined)
          throw new Error(`${paths.cert}: ${objections[1]}: expected a certificate that is valid now`);
        inForce = material;
        return material;
      },
      onChange: (material) => {
        logger.info({ section, ...paths, validTo: toText(material) }, 'the certificates changed');
        warnOfValidity(material);
        for (const listener of files.#listeners) listener(material);
      },
      onBroken: (reason) =>
        logger.error({ section, reason }, 'changed certificates cannot be used: those before stay in force'),
    });
    const files = new TlsFiles(options, file);
    warnOfValidity(file.current);
    return files;
  }

  /** What is in force. */
  get current(): TlsMaterial {
    return this.#file.current;
  }

  /** False where the files were last found unusable. */
  get isGood(): boolean {
    return this.#file.isGood;
  }

  /**
   * Seconds until the own certificate expires, and until the first of the authorities does; negative
   * afterwards, undefined where there is none.
   */
  get expiryS(): Expiry {
    const { validity, authorities } = this.current;
    const nowMs = this.#options.clock.wallMs();
    const until = (toMs: number): number => (toMs - nowMs) / 1_000;
    const first = Math.min(...authorities.map((authority) => validityOf(authority).toMs));
    return {
      own: validity && until(validity.toMs),
      authority: authorities.length === 0 ? undefined : until(first),
    };
  }

  /** Calls `listener` with what is in force after each change. */
  onChange(listener: (material: TlsMaterial) => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#listeners = [];
    this.#file.close();
  }
}

/** Tells what may not be used at this time, though it is taken. */
function warn(
  { validity, authorities }: TlsMaterial,
  { clock, logger, section, paths }: TlsFilesOptions,
): void {
  const nowMs = clock.wallMs();
  const why = objectionToValidity(validity, nowMs);
  if (why !== undefined)
    logger.warn({ section, file: paths.cert, why }, 'the certificate may not be used now');
  for (const authority of authorities) {
    const objection = objectionToValidity(validityOf(authority), nowMs);
    if (objection === undefined) continue;
    const subject = authority.subject.replaceAll('\n', ', ');
    const fields = { section, file: paths.ca, authority: subject, why: objection };
    logger.warn(fields, 'an authority may not be used now: no certificate that it signed is trusted');
  }
}

/** All files as one text, so that a change of one is a change of all. */
async function readTexts({ fileSystem, paths }: TlsFilesOptions): Promise<string> {
  const { cert, key, ca } = paths;
  const texts: TlsParts = {
    cert: cert === undefined ? undefined : await readPublicFile(fileSystem, cert),
    key: key === undefined ? undefined : await readSecretFile(fileSystem, key),
    ca: ca === undefined ? undefined : await readPublicFile(fileSystem, ca),
  };
  return JSON.stringify(texts);
}

function toText({ validity }: TlsMaterial): string | undefined {
  return validity === undefined ? undefined : new Date(validity.toMs).toISOString();
}
