/** Addresses of nodes, `host:port`: one rule for what is configured, sent, dialled and remembered. */

/** A host name of 253 characters, brackets, a colon and a port. */
export const ADDRESS_CHARACTERS_MAX = 262;

const HOST_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})$/;

/**
 * Whether `text` is `host:port` with a port from 1 to 65535; IPv6 hosts have
 * brackets, and no zone: that is a word of one machine, and no URL has one.
 */
export function isHostPort(text: string): boolean {
  const port = Number(HOST_PORT.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= 65_535 && text.length <= ADDRESS_CHARACTERS_MAX;
}
