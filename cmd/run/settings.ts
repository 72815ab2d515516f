/**
 * The configuration of a running process, and the keys of it that change without a restart:
 * those that somebody follows. Every change loads the whole configuration anew, from the
 * file's text, the environment, `--set` and what SetConfig asked for, so that it passes the
 * checks of a start.
 */
import { type BinaryKind, type ConfigOf, keyNamesOf } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { type ConfigSource, type LoadedConfig, loadWithOrigins } from '#config/load-config.ts';
import { hiddenKeys, printedKeys } from '#config/print-config.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import type { Setting, SettingsPort } from '#model/settings.ts';
import type { Clock } from '#platform/clock.ts';
import { LOG_LEVELS } from '#platform/create-logger.ts';
import type { Logger } from '#platform/logger.ts';
import { ownValue } from '#platform/own-value.ts';

export interface SettingsOptions<Kind extends BinaryKind> {
  /** What the process was started from. */
  readonly source: ConfigSource<Kind>;
  /** What the source gives, where that is known already. */
  readonly loaded?: LoadedConfig<Kind>;
  /** Reads the file anew. Rejects with `ConfigError` where that cannot be done. */
  readonly readText: () => Promise<string>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Keys that are those of a group, and so the same for all its nodes: neither the file of one of
 * them changes them later, nor its restart.
 */
export interface GroupKeys<Kind extends BinaryKind> {
  readonly keys: readonly string[];
  /** The values in force, by key, in the file's spelling; undefined: the node knows of none yet. */
  inForce(): ReadonlyMap<string, string> | undefined;
  /** Puts those of `config` in force. Rejects where that cannot be done here. */
  change(config: ConfigOf<Kind>): Promise<void>;
}

type Apply<Kind extends BinaryKind> = (config: ConfigOf<Kind>) => void;
/** False: what the configuration has now needs a restart. */
type ApplyFile<Kind extends BinaryKind> = (config: ConfigOf<Kind>) => boolean;

/** A file system that does not answer for so long will not answer soon. */
const READ_MS_MAX = 10_000;

export class Settings<Kind extends BinaryKind> implements SettingsPort {
  readonly #options: SettingsOptions<Kind>;
  readonly #followed = new Map<string, Apply<Kind>>();
  readonly #ofFile: { readonly keys: readonly string[]; readonly apply: ApplyFile<Kind> }[] = [];
  #ofGroup: GroupKeys<Kind> | undefined;
  readonly #asked = new Map<string, string>();
  #source: ConfigSource<Kind>;
  #loaded: LoadedConfig<Kind>;
  /** Values in force, by key, in the file's spelling. */
  readonly #inForce: Map<string, string>;
  /** Those of the start of which a part is not printed; nobody follows such a key. */
  readonly #hidden: ReadonlyMap<string, string | undefined>;
  #reloading: Promise<void> = Promise.resolve();
  /** Ends with the last change of the group's keys that was asked for; never rejects. */
  #changing: Promise<void> = Promise.resolve();
  /** Reads of the file that have not ended. */
  #reads = 0;

  /** Throws `ConfigError` unless `loaded` is given. */
  constructor(options: SettingsOptions<Kind>) {
    this.#options = options;
    this.#source = options.source;
    this.#loaded = options.loaded ?? loadWithOrigins(options.source);
    this.#inForce = printedKeys(this.#loaded.config);
    this.#hidden = hiddenKeys(this.#loaded.config);
  }

  /** The newest. Only keys that are followed differ in it from the configuration of the start, as far as anybody may go by that. */
  get config(): ConfigOf<Kind> {
    return this.#loaded.config;
  }

  /** From now on the key can change; `apply` is called with the configuration after that. A reader of `config` needs none. */
  follow(key: string, apply: Apply<Kind> = () => {}): void {
    this.#followed.set(key, apply);
  }

  /**
   * From now on these keys change with the file only: `apply` is called each time it was read again, finds
   * out what differs, and logs that itself, as values may be secrets.
   */
  followFile(keys: readonly string[], apply: ApplyFile<Kind>): void {
    this.#ofFile.push({ keys, apply });
  }

  /** From now on these keys change with the group only. */
  followGroup(ofGroup: GroupKeys<Kind>): void {
    this.#ofGroup = ofGroup;
  }

  /** Keys of the group for which this configuration states a value that is not in force. */
  get overruled(): readonly { readonly key: string; readonly stated: string; readonly inForce: string }[] {
    const inForce = this.#ofGroup?.inForce();
    const stated = printedKeys(this.config);
    return [...(inForce ?? [])]
      .map(([key, value]) => ({ key, stated: stated.get(key) ?? '', inForce: value }))
      .filter((one) => one.stated !== one.inForce && this.#originOf(one.key) !== 'default');
  }

  list(): readonly Setting[] {
    const own = [...this.#followed.keys()].map((key) => ({
      key,
      value: this.#inForce.get(key) ?? '',
      origin: this.#originOf(key),
    }));
    return [...own, ...this.#groupSettings()];
  }

  async change(changes: ReadonlyMap<string, string>): Promise<readonly Setting[]> {
    for (const key of changes.keys()) this.#checkChangeable(key);
    const keysOfGroup = this.#ofGroup?.keys ?? [];
    const own = [...changes].filter(([key]) => !keysOfGroup.includes(key));
    // All are checked together, and the group's go first, since they may be refused.
    if (own.length < changes.size) await this.#changeGroup(changes);
    else this.#loadAll(changes);
    const loaded = this.#load(this.#source, new Map([...this.#asked, ...own]));
    for (const [key, value] of own) this.#asked.set(key, value);
    this.#take(loaded, () => {});
    return this.list();
  }

  /** One change at a time: each states all limits of the group, so it begins with those that the one before it left. */
  #changeGroup(changes: ReadonlyMap<string, string>): Promise<void> {
    const changing = this.#changing.then(() => this.#ofGroup?.change(this.#loadAll(changes)));
    this.#changing = changing.catch(() => undefined);
    return changing;
  }

  /** The configuration with the changes, and with the keys of the group as they are in force. */
  #loadAll(changes: ReadonlyMap<string, string>): ConfigOf<Kind> {
    const inForce = this.#ofGroup?.inForce() ?? [];
    return this.#load(this.#source, new Map([...inForce, ...this.#asked, ...changes])).config;
  }

  /**
   * Reads the file again; what SetConfig changed counts no longer. A file that cannot be used
   * changes nothing. Never rejects.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  async #reload(): Promise<void> {
    const { logger } = this.#options;
    try {
      const source = { ...this.#options.source, text: await this.#readText() };
      const loaded = loadWithOrigins(source);
      this.#source = source;
      this.#asked.clear();
      this.#take(loaded, () => {
        this.#takeFile(loaded.config);
        this.#sayPending();
      });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      logger.error({ reason: error.message }, 'the configuration cannot be used: nothing was changed');
    }
  }

  /** One read at a time: each that hangs keeps a thread of the few that the log needs, too. */
  async #readText(): Promise<string> {
    const { readText, clock, source } = this.#options;
    if (this.#reads > 0) throw new ConfigError([`${source.file}: an earlier read of it has not ended yet`]);
    this.#reads++;
    const reading = readText().finally(() => {
      this.#reads--;
    });
    const late = `${source.file}: not read within ${READ_MS_MAX / 1_000} s; does its file system answer?`;
    return new Promise((resolve, reject) => {
      const timer = clock.after(READ_MS_MAX, () => reject(new ConfigError([late])));
      reading.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  #takeFile(config: ConfigOf<Kind>): void {
    const now = printedKeys(config);
    for (const { keys, apply } of this.#ofFile) {
      if (!apply(config)) continue;
      for (const key of keys) {
        const value = now.get(key);
        if (value === undefined) this.#inForce.delete(key);
        else this.#inForce.set(key, value);
      }
    }
  }

  #sayPending(): void {
    const { logger } = this.#options;
    const pending = this.#pending();
    const overruled = this.overruled.map(({ key }) => key);
    if (overruled.length > 0)
      logger.warn(
        { keys: overruled },
        'the configuration was read again, and its group has other values of these keys: walnut config changes them',
      );
    if (pending.length > 0)
      logger.warn({ keys: pending }, 'the configuration was read again, and these keys need a restart');
    else logger.info({}, 'the configuration was read again');
  }

  #checkChangeable(key: string): void {
    const ofGroup = this.#ofGroup?.keys ?? [];
    if (this.#followed.has(key) || ofGroup.includes(key)) return;
    const [section = '', ...rest] = key.split('.');
    const isKey = ownValue(keyNamesOf(this.config.kind), section)?.has(rest.join('.')) === true;
    const can = `these can be changed: ${[...this.#followed.keys(), ...ofGroup].join(', ')}`;
    if (!isKey) throw invalidArgument(`${JSON.stringify(key.slice(0, 64))} is no key: ${can}`);
    const how = this.#ofFile.some(({ keys }) => keys.includes(key))
      ? 'changes with the file only: write it there and send SIGHUP'
      : 'needs a restart';
    throw new WalnutError('failed_precondition', `${key} ${how}; ${can}`, { nothingDone: true });
  }

  #load(source: ConfigSource<Kind>, asked: ReadonlyMap<string, string>): LoadedConfig<Kind> {
    try {
      return loadWithOrigins({ ...source, changes: [...asked].map(([key, value]) => `${key}=${value}`) });
    } catch (error) {
      if (error instanceof ConfigError) throw invalidArgument(error.problems.join('; '));
      throw error;
    }
  }

  /** Applies what differs and logs it, then calls `conclude`. Lines are logged by the lower of both levels, so that a higher one does not hide itself. */
  #take(loaded: LoadedConfig<Kind>, conclude: () => void): void {
    const levelOf = ({ config }: LoadedConfig<Kind>): number => LOG_LEVELS.indexOf(config.log.level);
    const isQuieter = levelOf(loaded) > levelOf(this.#loaded);
    this.#loaded = loaded;
    const now = printedKeys(loaded.config);
    const applies: (() => void)[] = [];
    const lines: (() => void)[] = [];
    for (const [key, apply] of this.#followed) {
      const value = now.get(key) ?? '';
      const was = this.#inForce.get(key);
      if (value === was) continue;
      this.#inForce.set(key, value);
      const fields = { key, was, value, origin: this.#originOf(key) };
      applies.push(() => apply(loaded.config));
      lines.push(() => this.#options.logger.warn(fields, 'a setting was changed'));
    }
    lines.push(conclude);
    for (const step of isQuieter ? [...lines, ...applies] : [...applies, ...lines]) step();
  }

  /** Keys whose value in the file is not the one in force. */
  #pending(): string[] {
    const now = printedKeys(this.config);
    const hidden = hiddenKeys(this.config);
    const keys = new Set([...now.keys(), ...this.#inForce.keys()]);
    const ofGroup = this.#ofGroup?.keys ?? [];
    const differs = (key: string): boolean =>
      now.get(key) !== this.#inForce.get(key) || hidden.get(key) !== this.#hidden.get(key);
    return [...keys].filter((key) => differs(key) && !ofGroup.includes(key));
  }

  #originOf(key: string): string {
    return this.#loaded.origins.get(key) ?? 'default';
  }

  /** What this configuration would make of the group, as long as that is not known. */
  #groupSettings(): Setting[] {
    const inForce = this.#ofGroup?.inForce();
    const stated = printedKeys(this.config);
    return (this.#ofGroup?.keys ?? []).map((key) => ({
      key,
      value: inForce?.get(key) ?? stated.get(key) ?? '',
      origin: inForce === undefined ? this.#originOf(key) : 'the log of the group',
    }));
  }
}
