/** valibot beside the sockets. */

export * as v from "valibot";
