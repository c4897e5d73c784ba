/** Clients of a socket server in a process of their own: raw TCP, so that what is measured is the server. */
import { connect } from "node:net";
import { randomBytes } from "node:crypto";

const [port, count, mode, size] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4], Number(process.argv[5] ?? 0)];
let total = 0;
let wanted = Infinity;
let left = 0;
const check = () => {
  if (total < wanted) return;
  wanted = Infinity;
  process.send("done");
};

function frame(text) {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i & 3])]);
}

const socketIo = mode.endsWith("-io");
const echo = frame(socketIo ? `42${JSON.stringify(["ECHO", { text: "x".repeat(66) }])}` : JSON.stringify({ type: "ECHO", payload: { text: "x".repeat(66) } }));
const join = frame(socketIo ? '42["JOIN"]' : '{"type":"JOIN","payload":{"topic":"t"}}');
/** What a client of socket.io does after the upgrade: it is told about the engine, opens the namespace and is told its id. */
const greet = async (socket) => {
  if (!socketIo) return;
  const heard = (part) => new Promise((resolve) => {
    const look = (chunk) => chunk.includes(part) && (socket.removeListener("data", look), resolve());
    socket.on("data", look);
  });
  socket.write(frame("40"));
  await heard('40{"sid"');
};
const open = () => new Promise((resolve, reject) => {
  const socket = connect(port, "127.0.0.1", () => socket.write(`GET ${socketIo ? "/socket.io/?EIO=4&transport=websocket" : "/"} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`));
  socket.setNoDelay(true);
  socket.once("error", reject);
  socket.once("data", async () => {
    await greet(socket);
    let filled = 0;
    socket.on("data", (chunk) => {
      total += chunk.length;
      if (mode.startsWith("echo")) {
        filled += chunk.length;
        if (filled < size) return;
        filled = 0;
        if (left-- > 0) socket.write(echo);
        else if (left === -count) process.send("done");
      } else check();
    });
    if (mode.startsWith("fan-out")) socket.write(join);
    resolve(socket);
  });
});
const sockets = [];
// A few hundred at a time: a server has only so long for a handshake, and the system's queue of newcomers is short.
while (sockets.length < count) sockets.push(...await Promise.all(Array.from({ length: Math.min(200, count - sockets.length) }, open)));
process.on("message", ({ bytes, messages }) => {
  if (messages !== undefined) {
    left = messages - count;
    for (const socket of sockets) socket.write(echo);
  } else {
    total = 0;
    wanted = bytes;
  }
});
process.send("ready");
