/** Loads `node:sqlite`, without the warning of Node 22 and 24 that it is experimental, which operators need not see. */

type Sqlite = typeof import('node:sqlite');

let loading: Promise<Sqlite> | undefined;

/** The module; loaded once. */
export function loadSqlite(): Promise<Sqlite> {
  loading ??= importQuietly();
  return loading;
}

async function importQuietly(): Promise<Sqlite> {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (String(warning).includes('SQLite')) return;
    (emitWarning as (...all: unknown[]) => void).call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return await import('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
