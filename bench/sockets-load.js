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

const echo = frame(JSON.stringify({ type: "ECHO", payload: { text: "x".repeat(66) } }));
const join = frame('{"type":"JOIN","payload":{"topic":"t"}}');
const sockets = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
  const socket = connect(port, "127.0.0.1", () => socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`));
  socket.setNoDelay(true);
  socket.once("error", reject);
  socket.once("data", () => {
    let open = 0;
    socket.on("data", (chunk) => {
      total += chunk.length;
      if (mode === "echo") {
        open += chunk.length;
        if (open < size) return;
        open = 0;
        if (left-- > 0) socket.write(echo);
        else if (left === -count) process.send("done");
      } else check();
    });
    if (mode === "fan-out") socket.write(join);
    resolve(socket);
  });
})));
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
