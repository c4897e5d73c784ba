/** zod beside the sockets. */

export { z } from "zod";
