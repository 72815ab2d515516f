/** Clients of one node over Connect: for single commands. The replay has its own lean one. */
import { type CallOptions, type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Address } from './arguments.ts';

export interface NodeClients {
  readonly kv: Client<typeof KVStore>;
  readonly admin: Client<typeof Admin>;
}

export const CALL: CallOptions = { timeoutMs: 30_000 };
/** For writes and reads that may themselves wait up to 60 s. */
export const WAITING_CALL: CallOptions = { timeoutMs: 90_000 };
/** For work that grows with the data. */
export const LONG_CALL: CallOptions = { timeoutMs: 3_600_000 };

export function createNodeClients(address: Address): NodeClients {
  const transport = createConnectTransport({ baseUrl: `http://${address.text}`, httpVersion: '1.1' });
  return { kv: createClient(KVStore, transport), admin: createClient(Admin, transport) };
}
