/** What keys of `auth` and `peer` need of keys of other sections. Pure. */
import type { NodeConfig } from '#config/binaries.ts';
import { isLoopbackHost } from '#model/address.ts';

export interface CrossProblem {
  readonly section: string;
  readonly key: string;
  readonly message: string;
}

export function checkSecurity({ auth, peer, server, ...config }: NodeConfig): CrossProblem[] {
  const problems: CrossProblem[] = [];
  if (auth.mode !== 'off' && auth.file === undefined) {
    const message = `missing: expected the file of users that auth.mode: ${auth.mode} needs; walnut auth init writes one`;
    problems.push({ section: 'auth', key: 'file', message });
  }
  if (auth.mode === 'off' && auth.auditFile !== undefined) {
    const message =
      'expected auth.mode: permissive or required beside it, as nobody is known while it is off';
    problems.push({ section: 'auth', key: 'audit_file', message });
  }
  if (auth.allowClearText) return problems;
  const others = config.kind === 'slave' ? [config.master.address] : [];
  const reached = [...others, ...config.replication.replicas].find((address) => !isLoopbackHost(address));
  const reason =
    auth.mode !== 'off' && !isLoopbackHost(server.address)
      ? `callers send their credentials to server.address ${server.address}`
      : peer.tokenFile !== undefined && reached !== undefined
        ? `this node sends peer.token_file to ${reached}`
        : undefined;
  if (reason !== undefined) {
    const message = `expected true: ${reason} in clear text, as there is no TLS; keep the network private or use a tunnel`;
    problems.push({ section: 'auth', key: 'allow_clear_text', message });
  }
  return problems;
}
