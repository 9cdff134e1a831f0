/**
 * Where files are kept: a folder, or a store that speaks S3. Content is kept once, under its own hash, and is there
 * whole or not at all. It is never changed; what a file is, and whose, is the business of whoever keeps it.
 */
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { Disk } from 'flydrive';
import { FSDriver } from 'flydrive/drivers/fs';
import { S3Driver } from 'flydrive/drivers/s3';
import { Fault } from './fault.ts';
import { openScanner, type Scanner } from './scan.ts';

export interface S3Settings {
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export interface FilesSettings {
  /** What is kept stands here where there is no S3; what is still arriving always does. */
  folder: string;
  s3?: S3Settings | undefined;
  clamd?: { host: string; port: number } | undefined;
  /** Signs the addresses of uploads. Where there is none, one is made and kept in `folder`. */
  secret?: string | undefined;
}

/** A file that has arrived, and is not yet kept. */
export interface Arrived {
  path: string;
  hash: Buffer;
  size: number;
}

export interface Limit {
  maxBytes: number;
  tooLarge: Fault;
}

export interface Files {
  /** A signature that only the hub can make, to see again that a text is its own. Fails with a Fault. */
  sign(text: string): Promise<string>;
  /**
   * Takes a body in, with its hash, as a file for this moment: `discard` it in the end, whatever happened.
   *
   * @throws `tooLarge`, or Fault BAD_REQUEST (it ended too soon)
   */
  receive(body: Readable, limit: Limit): Promise<Arrived>;
  discard(arrived: Arrived): Promise<void>;
  /** Looks for viruses; null where no scanner is configured. */
  scanner: Scanner | null;
  /** Keeps what has arrived; of the same content there is one copy. @throws Fault FILE_STORE_UNAVAILABLE */
  keep(arrived: Arrived): Promise<void>;
  /** Removes content that nothing is about; there may be none. @throws Fault FILE_STORE_UNAVAILABLE */
  remove(hash: Buffer): Promise<void>;
  /** The content. @throws Fault FILE_STORE_UNAVAILABLE, also where it is not there whole */
  read(hash: Buffer, size: number): Promise<Readable>;
}

/** What was left by a process that died while it received is older than this. */
const staleMs = 3_600_000;
const connectMs = 5_000;
const requestMs = 20_000;

const unavailable = (cause: unknown) =>
  new Fault('FILE_STORE_UNAVAILABLE', 'Files cannot be kept or read now. Try again.', {
    retryable: true,
    cause,
  });

const keyOf = (hash: Buffer) => {
  const hex = hash.toString('hex');
  return `sha256/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${hex}`;
};

export function openFiles({ folder, s3, clamd, secret }: FilesSettings): Files {
  const disk = new Disk(
    s3 === undefined ? new FSDriver({ location: folder, visibility: 'private' }) : s3Driver(s3),
  );
  const arriving = join(folder, 'arriving');
  let ready: Promise<void> | undefined;
  let key: Promise<string> | undefined;

  async function makeReady(): Promise<void> {
    await mkdir(arriving, { recursive: true, mode: 0o700 });
    for (const name of await readdir(arriving)) {
      const path = join(arriving, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
      if (mtimeMs < Date.now() - staleMs) await rm(path, { force: true });
    }
  }

  /** Whole: of a copy that was broken off only a part is there. */
  async function isKept(at: string, size: number): Promise<boolean> {
    return (await disk.exists(at)) && (await disk.getMetaData(at)).contentLength === size;
  }

  /** A rename is done or not done, where writing in place could stop in the middle. */
  async function put({ path, size }: Arrived, at: string): Promise<void> {
    if (s3 !== undefined) return disk.copyFromFs(path, at, { contentLength: size });
    const place = join(folder, at);
    await mkdir(dirname(place), { recursive: true, mode: 0o700 });
    await rename(path, place);
  }

  return {
    async sign(text) {
      key ??= secret === undefined ? ownSecret(folder) : Promise.resolve(secret);
      const found = await key.catch((cause: unknown) => {
        key = undefined;
        throw unavailable(cause);
      });
      return createHmac('sha256', found).update(text).digest('base64url');
    },
    async receive(body, limit) {
      ready ??= makeReady();
      await ready.catch((cause: unknown) => {
        ready = undefined;
        throw unavailable(cause);
      });
      const path = join(arriving, randomUUID());
      try {
        return { path, ...(await write(body, path, limit)) };
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
    },
    discard: ({ path }) => rm(path, { force: true }),
    scanner: clamd === undefined ? null : openScanner(clamd),
    async keep(arrived) {
      const at = keyOf(arrived.hash);
      try {
        if (await isKept(at, arrived.size)) return;
        await put(arrived, at);
        if (!(await isKept(at, arrived.size))) throw new Error('what was kept is not whole');
      } catch (cause) {
        throw unavailable(cause);
      }
    },
    async remove(hash) {
      const at = keyOf(hash);
      try {
        if (await disk.exists(at)) await disk.delete(at);
      } catch (cause) {
        throw unavailable(cause);
      }
    },
    async read(hash, size) {
      const at = keyOf(hash);
      try {
        if (!(await isKept(at, size))) throw new Error('it is not there, or not whole');
        return await disk.getStream(at);
      } catch (cause) {
        throw unavailable(cause);
      }
    },
  };
}

function s3Driver({ endpoint, bucket, region, accessKeyId, secretAccessKey }: S3Settings): S3Driver {
  return new S3Driver({
    endpoint,
    bucket,
    region,
    credentials: { accessKeyId, secretAccessKey },
    visibility: 'private',
    supportsACL: false,
    // What every store that speaks S3 understands.
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 2,
    requestHandler: { connectionTimeout: connectMs, requestTimeout: requestMs },
    // What goes wrong comes back as an error; the hub's log tells of it.
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
}

async function write(body: Readable, path: string, { maxBytes, tooLarge }: Limit) {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw unavailable(cause);
  });
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      // What is too large is read on and dropped, so that the answer can be heard; not for ever.
      if (size > 2 * maxBytes) break;
      if (size > maxBytes) continue;
      hash.update(chunk);
      await file.appendFile(chunk).catch((cause: unknown) => {
        throw unavailable(cause);
      });
    }
    if (size > maxBytes) throw tooLarge;
    await file.sync();
    return { hash: hash.digest(), size };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('BAD_REQUEST', 'The body ended too soon.', { cause: error });
  } finally {
    await file.close();
  }
}

/** The same for all processes on this folder, however many ask for it first. */
async function ownSecret(folder: string): Promise<string> {
  const path = join(folder, 'secret');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await readFile(path, 'utf8').catch(() => null);
  if (found !== null) return found;
  const made = join(folder, `secret-${randomUUID()}`);
  await writeFile(made, randomBytes(32).toString('base64url'), { mode: 0o600 });
  // Of several only the first gets the name, and then all read what is there.
  await link(made, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(made);
  return readFile(path, 'utf8');
}
