/**
 * The anchor: after each seal its number and hash are signed and written to a file outside the database. Whoever can
 * change the database cannot change what was written there, so a chain that was cut short or made anew is found out.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { appendFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault } from '../platform/fault.ts';
import type { Sealed } from './seal.ts';

export interface AnchorSettings {
  file: string;
  /** Where a key of the hub's own is kept when none is given. */
  dataDir: string;
  /** An Ed25519 private key: PKCS #8 in DER, in base64. */
  key: string | undefined;
}

export interface Anchor {
  /** Signs a seal and adds it to the file. */
  add(sealed: Sealed): Promise<void>;
  /** The seals in the file, in the order in which they were added; none where there is no file. @throws Fault ANCHOR_INVALID, naming the line */
  read(): AsyncGenerator<Anchored>;
}

export interface Anchored {
  line: number;
  seal: string;
  /** In hex. */
  hash: string;
  at: string;
}

const signed = ({ seal, hash, at }: Omit<Anchored, 'line'>) =>
  Buffer.from(`tandem audit seal ${seal} ${hash} ${at}`);

/** For a file that somebody kept elsewhere, give it as `file`. */
export async function openAnchor({ file, dataDir, key }: AnchorSettings): Promise<Anchor> {
  const privateKey =
    key === undefined
      ? await ownKey(dataDir)
      : createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey);
  return {
    async add({ number, hash, at }) {
      const told = { seal: String(number), hash: hash.toString('hex'), at: at.toISOString() };
      const signature = sign(null, signed(told), privateKey).toString('base64');
      await mkdir(dirname(file), { recursive: true });
      // One write of one line: several processes may share the file.
      await appendFile(file, `${JSON.stringify({ ...told, signature })}\n`, { mode: 0o600 });
    },
    async *read() {
      const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      let line = 0;
      for await (const text of handle?.readLines() ?? []) {
        line += 1;
        const told = parse(text);
        const isSigned =
          told !== null && verify(null, signed(told), publicKey, Buffer.from(told.signature, 'base64'));
        if (!isSigned)
          throw new Fault('ANCHOR_INVALID', `Line ${line} of the anchor is not signed by this hub's key.`);
        yield { line, seal: told.seal, hash: told.hash, at: told.at };
      }
    },
  };
}

/** The key in the data folder, made when there is none. Of two processes that make one at once, both take the first. */
async function ownKey(dataDir: string): Promise<KeyObject> {
  const file = join(dataDir, 'audit-key.pem');
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, pem, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return createPrivateKey(await readFile(file));
}

function parse(text: string): (Omit<Anchored, 'line'> & { signature: string }) | null {
  try {
    const { seal, hash, at, signature } = JSON.parse(text);
    return [seal, hash, at, signature].every((part) => typeof part === 'string')
      ? { seal, hash, at, signature }
      : null;
  } catch {
    return null;
  }
}
