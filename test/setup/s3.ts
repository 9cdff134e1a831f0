import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import type { S3Settings } from '../../src/platform/file.ts';

/** A store that speaks S3. Stopped and started again it has what it had. */
export async function startS3(): Promise<{
  settings: S3Settings;
  /** The keys of all objects that are there. */
  keys(): Promise<string[]>;
  stop(): Promise<void>;
  startAgain(): Promise<void>;
  /** Each connection breaks after this many bytes to the store. */
  breakAfter(bytes: number): void;
  close(): Promise<void>;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'tandem-s3-'));
  const bucket = 'evidence';
  let port = 0;
  let server: S3rver;
  const start = async () => {
    server = new S3rver({
      address: '127.0.0.1',
      port,
      silent: true,
      directory,
      configureBuckets: [{ name: bucket, configs: [] }],
    });
    ({ port } = await server.run());
  };
  await start();
  const line = await startLine(() => port);
  return {
    settings: {
      endpoint: `http://127.0.0.1:${line.port}`,
      bucket,
      region: 'eu-west-2',
      accessKeyId: 'S3RVER',
      secretAccessKey: 'S3RVER',
    },
    async keys() {
      const files = await readdir(join(directory, bucket), { recursive: true });
      return files
        .filter((file) => file.endsWith('._S3rver_object'))
        .map((file) => file.replace(/\._S3rver_object$/, ''));
    },
    async stop() {
      line.breakAfter(0);
      await server.close();
    },
    async startAgain() {
      await start();
      line.breakAfter(Number.POSITIVE_INFINITY);
    },
    breakAfter: line.breakAfter,
    async close() {
      await line.close();
      await server.close().catch(() => {});
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The network on the way there, which can fail in the middle of a request. */
async function startLine(target: () => number) {
  let left = Number.POSITIVE_INFINITY;
  const sockets = new Set<Socket>();
  const line = createServer((near) => {
    const far = connect(target(), '127.0.0.1');
    let sent = 0;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    far.pipe(near);
    near.on('data', (chunk) => {
      sent += chunk.length;
      if (sent > left) far.destroy();
      else far.write(chunk);
    });
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (line.address() as AddressInfo).port,
    breakAfter(bytes: number) {
      left = bytes;
      drop();
    },
    close: () =>
      new Promise<void>((resolve) => {
        drop();
        line.close(() => resolve());
      }),
  };
}
