/** Planted bugs of the edge: errors on the wire, admission, the bulk path. */
import type { Mutant } from './mutant.ts';

const ADMISSION = 'test/server/admission.test.ts';

export const ADMISSION_MUTANTS: readonly Mutant[] = [
  {
    name: 'body of a PUT read for a key that its caller may not write',
    file: 'internal/server/keys-write.ts',
    text: '  call.checkMayWrite();\n  const body = ',
    replacement: '  const body = ',
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'body of a POST read for a key that its caller may not write',
    file: 'internal/server/keys-write.ts',
    text: '  call.checkMayWrite();\n  const { length } = ',
    replacement: '  const { length } = ',
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'bug of another node taken for its verdict',
    file: 'internal/peer/peer-errors.ts',
    text: "  return code === 'internal' || code === 'cancelled' ? 'unavailable' : code;",
    replacement: "  return code === 'cancelled' ? 'unavailable' : code;",
    tests: ['test/peer/peer-dialer.test.ts'],
  },
  {
    name: 'precondition that says where to read taken for a replica that refuses writes',
    file: 'internal/wire/error-reader.ts',
    text: '  const reason = routing?.reason ?? (hinted',
    replacement: '  const reason = (leaderHint ?? null',
    tests: ['test/wire/error-codec.test.ts'],
  },
  {
    name: 'stranger let in to everything that changes no node',
    file: 'internal/rpc/admission.ts',
    text: "operation.access !== 'health' &&",
    replacement: "operation.access === 'admin' &&",
    tests: [ADMISSION],
  },
  {
    name: 'connections kept for a node whose call was refused',
    file: 'internal/rpc/admission.ts',
    text: '  if (!operation.isServedDraining && isDraining())',
    replacement:
      "  if (operation.access === 'replicate') onNodeCall?.(peer.remoteAddress);\n  if (!operation.isServedDraining && isDraining())",
    tests: [ADMISSION],
  },
  {
    name: 'drain that refuses Status and health',
    file: 'internal/rpc/admission.ts',
    text: '  if (!operation.isServedDraining && isDraining())',
    replacement: '  if (isDraining())',
    tests: [ADMISSION],
  },
  {
    name: 'refused HTTP/2 stream carried out',
    file: 'internal/rpc/request-listener.ts',
    text: '  call.refusal = refusal?.error;',
    replacement: '',
    tests: [ADMISSION],
  },
  {
    name: 'refused request carried out by its rpc',
    file: 'internal/rpc/request-listener.ts',
    text: '    call.refusal = refusal.error;',
    replacement: '',
    tests: [ADMISSION],
  },
  {
    name: 'refused call that connect-node carries out',
    file: 'internal/rpc/rpc-adapter.ts',
    text: '  if (call.refusal === undefined) return;',
    replacement: '  if (call.code === undefined) return;',
    tests: [ADMISSION],
  },
  {
    name: 'Get answered at once that must wait',
    file: 'internal/wire/kv-calls.ts',
    text: '    return isServed && columns.areIncluded(moment.includes) ? moment : undefined;',
    replacement: '    return moment;',
    tests: ['test/server/kv-bytes.test.ts'],
  },
  {
    name: 'condition of a Set that the bulk path drops',
    file: 'internal/wire/kv-columns.ts',
    text: '    } else if (kind === SET && flags === 0) this.plainSets++;',
    replacement: '    } else if (kind === SET) this.plainSets++;',
    tests: ['test/server/kv-bytes.test.ts'],
  },
  {
    name: 'Gets that ask for a position and are answered without it',
    file: 'internal/wire/kv-columns.ts',
    text: '      this.positions += flags;',
    replacement: '',
    tests: ['test/server/kv-bytes.test.ts'],
  },
];
