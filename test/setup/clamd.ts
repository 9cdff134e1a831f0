import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';

/** Makes up clamd: it reads INSTREAM's chunks to their end, and finds what the text that it is told to find is in. */
export async function startClamd({ finds }: { finds: string }): Promise<{
  host: string;
  port: number;
  /** What it answers instead of a verdict; null for a verdict. */
  setAnswer(answer: string | null): void;
  scanned(): number;
  close(): Promise<void>;
}> {
  let instead: string | null = null;
  let scanned = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let received = Buffer.alloc(0);
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const content = contentOf(received);
      if (content === null) return;
      scanned += 1;
      const verdict = content.includes(finds) ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0';
      socket.end(instead ?? verdict);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    setAnswer: (answer) => {
      instead = answer;
    },
    scanned: () => scanned,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** What the chunks hold, once the empty one that ends them has come. */
function contentOf(received: Buffer): Buffer | null {
  const command = 'zINSTREAM\0';
  if (received.length < command.length) return null;
  if (received.toString('latin1', 0, command.length) !== command) throw new Error('not INSTREAM');
  const chunks: Buffer[] = [];
  for (let at = command.length; at + 4 <= received.length; ) {
    const size = received.readUInt32BE(at);
    if (size === 0) return Buffer.concat(chunks);
    if (at + 4 + size > received.length) return null;
    chunks.push(received.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return null;
}
