/** The flags that every binary has; one with flags of its own extends them. */

export interface CommonFlags {
  readonly kind: 'run';
  /** Undefined: defaults, environment and `--set` only. */
  readonly configFile: string | undefined;
  /** `section.key=value`. */
  readonly sets: readonly string[];
  readonly shouldPrintConfig: boolean;
  readonly shouldCheckConfig: boolean;
}

export type ParsedFlags<Flags extends CommonFlags> =
  | Flags
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'error'; readonly problems: readonly string[] };
