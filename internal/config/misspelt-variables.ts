/**
 * Variables of the environment that differ from a key's only in their underscores.
 * They are ignored: Kubernetes makes variables such as `WALNUT_SERVER_PORT` for a
 * service with that name, so refusing a start for one would be wrong. Pure.
 */
import { type BinaryKind, keyNamesOf } from '#config/binaries.ts';
import { PREFIX } from '#config/overrides.ts';

/** One warning for each variable, which names the variable to set instead. */
export function findMisspelt(
  kind: BinaryKind,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const variables = variablesOf(kind);
  return Object.keys(env).flatMap((name) => {
    const known = variables.get(withoutUnderscores(name));
    if (known === undefined || isSpeltAs(name, known.variable)) return [];
    return [`${name} is ignored: the variable for ${known.key} is ${known.variable}`];
  });
}

/** The variable that one with other underscores was meant to be; undefined where there is none. */
export function meantVariable(kind: BinaryKind, name: string): string | undefined {
  return variablesOf(kind).get(withoutUnderscores(name))?.variable;
}

interface KeyVariable {
  readonly key: string;
  readonly variable: string;
}

function variablesOf(kind: BinaryKind): ReadonlyMap<string, KeyVariable> {
  const variables = new Map<string, KeyVariable>();
  for (const [section, keys] of Object.entries(keyNamesOf(kind))) {
    for (const key of keys) {
      const variable = `${PREFIX}${section}__${key.replace('.', '__')}`.toUpperCase();
      variables.set(withoutUnderscores(variable), { key: `${section}.${key}`, variable });
    }
  }
  return variables;
}

/** The part behind the prefix may be in lower case. */
function isSpeltAs(name: string, variable: string): boolean {
  return name.startsWith(PREFIX) && name.toUpperCase() === variable;
}

function withoutUnderscores(name: string): string {
  return name.toUpperCase().replaceAll('_', '');
}
