import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Link } from "./link.ts";
import { waitFor } from "./wait-for.ts";

/** More than the system keeps for a reader that does not read. */
const MANY = 16_000_000;

/** A link to a server that sends back what it gets. */
async function openLink(context: TestContext): Promise<Link> {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const link = new Link("link", () => ({ host: "127.0.0.1", port }));
  await link.start();
  context.after(async () => {
    await link.stop();
    server.close();
  });
  return link;
}

function dial(context: TestContext, link: Link) {
  const socket: Socket = connect(link.port, "127.0.0.1").on("error", () => {});
  let received = "";
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.setEncoding("utf8").on("data", (text: string) => {
    received += text;
  });
  context.after(() => socket.destroy());
  return {
    socket,
    closed,
    until: (text: string) => waitFor(() => received === text),
    read: () => received,
  };
}

test("passes bytes, and the end of a direction", async (context) => {
  const { socket, until, closed } = dial(context, await openLink(context));
  socket.end("hello");
  await until("hello");
  await closed;
});

test("a stalled link delivers all of it once it is open again", async (context) => {
  const link = await openLink(context);
  const { socket, until, read } = dial(context, link);
  socket.write("a");
  await until("a");
  link.state = "stalled";
  socket.write("b".repeat(MANY));
  await waitFor(() => socket.writableLength > 0);
  assert.equal(read(), "a");
  link.state = "open";
  await until(`a${"b".repeat(MANY)}`);
});

test("a connection that lost bytes never carries any again; new ones do", async (context) => {
  const link = await openLink(context);
  const lost = dial(context, link);
  lost.socket.write("a");
  await lost.until("a");
  link.state = "swallowed";
  await new Promise((resolve) => lost.socket.write("b", resolve));
  link.state = "open";
  await new Promise((resolve) => lost.socket.write("c", resolve));
  const fresh = dial(context, link);
  fresh.socket.write("d");
  await fresh.until("d");
  assert.equal(lost.read(), "a");
  assert.equal(lost.socket.destroyed, false, "nobody told it");
});

test("a link that refuses resets what is open and what comes", async (context) => {
  const link = await openLink(context);
  const open = dial(context, link);
  open.socket.write("a");
  await open.until("a");
  link.state = "refused";
  await open.closed;
  await dial(context, link).closed;
});

test("a trickling link passes one byte after another", async (context) => {
  const link = await openLink(context);
  const { socket, until } = dial(context, link);
  link.state = "trickling";
  socket.write("ab");
  await until("a");
  link.state = "open";
  await until("ab");
});

test("a link to a Unix socket can be cut", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "hodei-link-"));
  const path = join(folder, "socket");
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(path);
  await once(server, "listening");
  const link = new Link("link", () => ({ path }));
  await link.start();
  context.after(async () => {
    await link.stop();
    server.close();
    await rm(folder, { recursive: true });
  });
  const { socket, until, closed } = dial(context, link);
  socket.write("a");
  await until("a");
  link.cut();
  await closed;
});
