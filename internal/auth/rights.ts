/** Grants as the rights of a principal. Each operation is judged once. Pure. */
import { fewest, isEverything } from '#auth/prefixes.ts';
import type { Grant } from '#auth/roles.ts';
import type { KeyRights, Operation, Principal } from '#model/access.ts';
import { ALL_OPERATIONS } from '#model/methods.ts';

interface Judgement {
  readonly mayCall: boolean;
  readonly keys: KeyRights | undefined;
}

/** `retired`: see `Principal`. */
export function createPrincipal(name: string, grants: readonly Grant[], retired: AbortSignal): Principal {
  const judged = new Map<Operation, Judgement>();
  const judgementOf = (operation: Operation): Judgement => {
    let judgement = judged.get(operation);
    if (judgement === undefined) {
      judgement = judge(grants, operation);
      judged.set(operation, judgement);
    }
    return judgement;
  };
  return {
    name,
    mayVouch: grants.some(({ access }) => access.includes('vouch')),
    retired,
    mayCall: (operation) => judgementOf(operation).mayCall,
    keysOf: (operation) => judgementOf(operation).keys,
  };
}

function judge(grants: readonly Grant[], operation: Operation): Judgement {
  const own = grants.filter(({ methods }) => methods.some((pattern) => isNamed(operation, pattern)));
  const prefixesOf = (access: 'read' | 'write'): readonly string[] =>
    fewest(own.filter((grant) => grant.access.includes(access)).flatMap(({ prefixes }) => prefixes));
  const keys = { read: prefixesOf('read'), write: prefixesOf('write') };
  return { mayCall: mayCall(own, operation, keys), keys: isFree(operation, keys) ? undefined : keys };
}

function mayCall(own: readonly Grant[], { access, wholeSpace }: Operation, keys: KeyRights): boolean {
  if (wholeSpace !== undefined && !isEverything(keys[wholeSpace])) return false;
  switch (access) {
    case undefined:
      return false;
    case 'health':
    case 'open':
    case 'known':
      return true;
    case 'read':
    case 'write':
      return keys[access].length > 0;
    case 'either':
      return keys.read.length > 0 || keys.write.length > 0;
    default:
      return own.some((grant) => grant.access.includes(access));
  }
}

/** True if nothing that the operation does with keys needs to be judged. */
function isFree({ touches }: Operation, { read, write }: KeyRights): boolean {
  if (touches === undefined) return true;
  return isEverything(read) && (touches === 'read' || isEverything(write));
}

/** `KVStore/Get` of `/walnut.v1.KVStore/Get`; pages are called by their path. */
function shortName({ name }: Operation): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function isNamed(operation: Operation, pattern: string): boolean {
  const name = shortName(operation);
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** False where a pattern names no method, so that a misspelt one is not a right that never applies. */
export function namesSomething(pattern: string): boolean {
  const isForm = pattern === '*' || /^\w+\/\*$/.test(pattern) || !pattern.includes('*');
  return isForm && ALL_OPERATIONS.some((operation) => isNamed(operation, pattern));
}
