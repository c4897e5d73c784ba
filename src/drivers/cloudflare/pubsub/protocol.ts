/** What travels between an object that listens and the broker object of a topic: RPC alone, which no request from outside reaches. */

/** What is asked of a broker, in order. `leave` ends a session. */
export type BrokerOperation =
  | readonly [kind: "listen" | "unlisten", name: string]
  | readonly [kind: "publish", name: string, text: string]
  | readonly [kind: "leave"];

/** What a broker hands to an object that listens. Pass it to `receive` of the pub/sub that the object made. */
export interface PubSubDelivery {
  /** Id of the broker. */
  readonly broker: string;
  readonly messages: readonly (readonly [name: string, text: string])[];
  /** Messages may be missing since then, epoch ms. */
  readonly lostSince?: number;
}

export interface PubSubReceipt {
  /** Names that nobody there listens to: the broker forgets them. */
  readonly unwanted: readonly string[];
}

/** What is used of a broker's stub. */
export interface BrokerStub {
  exchange(from: string, operations: readonly BrokerOperation[]): Promise<unknown>;
  follow(session: string, deliver: (delivery: PubSubDelivery) => Promise<PubSubReceipt>): Promise<void>;
}

/** What a broker needs of a class that listens. */
export interface ListeningStub {
  deliverPubSub(delivery: PubSubDelivery): Promise<PubSubReceipt>;
}

/** Prefix of what listens without an object's state: it is known to the broker for as long as its call lasts. */
export const SESSION = "session:";
/** Largest message: RPC carries 32 MiB, and a batch has more than one. */
export const MAX_MESSAGE_BYTES = 4_194_304;
/** UTF-16 units of one batch, beside its last message. */
export const MAX_BATCH_UNITS = 4_194_304;
