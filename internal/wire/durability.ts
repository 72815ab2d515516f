/** Converts levels of durability, in both directions. Pure; an unknown one throws `invalid_argument`. */
import { Durability as WireDurability } from '#gen/walnut/v1/types_pb.ts';
import type { Durability } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';

export function toDurability(durability: WireDurability): Durability | undefined {
  switch (durability) {
    case WireDurability.UNSPECIFIED:
      return undefined;
    case WireDurability.ACCEPTED:
      return 'accepted';
    case WireDurability.LOCAL:
      return 'local';
    case WireDurability.QUORUM:
      return 'quorum';
    default:
      throw invalidArgument(
        `durability is ${durability}: expected DURABILITY_ACCEPTED (1), DURABILITY_LOCAL (2) or DURABILITY_QUORUM (3)`,
      );
  }
}

const WIRE_DURABILITY: Readonly<Record<Durability, WireDurability>> = {
  accepted: WireDurability.ACCEPTED,
  local: WireDurability.LOCAL,
  quorum: WireDurability.QUORUM,
};

export function fromDurability(durability: Durability): WireDurability {
  return WIRE_DURABILITY[durability];
}
