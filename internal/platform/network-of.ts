/**
 * The network by which callers are counted. One caller has one IPv4 address, but of IPv6
 * a whole /64 network, and may take a new address of it for each connection.
 */
const GROUPS = 8;
const GROUPS_OF_NETWORK = 4;

/** `address`: an IP address as a socket gives it. An IPv4 address is its own network; what is no address, too. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice('::ffff:'.length);
  const [before = '', after] = address.split('::');
  const groups = groupsOf(before);
  if (after !== undefined) {
    const rest = groupsOf(after);
    const zeros = Math.max(0, GROUPS - groups.length - rest.length);
    groups.push(...Array<string>(zeros).fill('0'), ...rest);
  }
  return `${groups.slice(0, GROUPS_OF_NETWORK).join(':')}::/64`;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').map((group) => group.replace(/^0+(?=.)/, '').toLowerCase());
}
