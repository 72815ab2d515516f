/** One link for each address, made when it is first used and kept until it is no longer wanted. */
export class LinksByAddress<L extends { close(): void }> {
  readonly #links = new Map<string, L>();
  readonly #dial: (address: string) => L;

  /** `dial` may throw, and then nothing is kept. */
  constructor(dial: (address: string) => L) {
    this.#dial = dial;
  }

  to(address: string): L {
    const link = this.#links.get(address) ?? this.#dial(address);
    this.#links.set(address, link);
    return link;
  }

  /** Closes the links to all addresses but these. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [address, link] of this.#links) {
      if (addresses.has(address)) continue;
      link.close();
      this.#links.delete(address);
    }
  }

  close(): void {
    this.retain(new Set());
  }
}
