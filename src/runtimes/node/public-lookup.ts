/** Name resolution that gives public addresses only: the connection goes to the address that was checked, so no second answer can differ. */

import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import { isPublicAddress } from "../../core/public-address.ts";

type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** `dns.lookup` for `net.connect`. One address that is not public refuses the name: a mixed answer is an attack or a mistake. */
export function publicLookup(hostname: string, options: LookupOptions, callback: Callback): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const first = addresses[0];
    if (first === undefined || addresses.some(({ address }) => !isPublicAddress(address))) {
      callback(Object.assign(new Error("the name resolves to an address that is not public"), { code: "SLUICE_ADDRESS_REFUSED" }), []);
      return;
    }
    if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
}
