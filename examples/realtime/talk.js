/** `node talk.js URL WORDS [ORIGIN]`: says something over a WebSocket and prints what comes back. */
import { WebSocket } from "ws";

const [url, words, origin] = process.argv.slice(2);
const socket = new WebSocket(url, origin === undefined ? {} : { origin });
socket.once("open", () => socket.send(words));
socket.once("message", (data) => {
  console.log(String(data));
  socket.close();
});
socket.once("unexpected-response", (_request, response) => {
  console.log(`refused with ${response.statusCode}`);
  response.resume();
  process.exit();
});
socket.on("error", () => {});
