/** Sends one file of what was bought for many families: first looked through, then recorded. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type BulkFile, followFile } from './follow.ts';
import { ApplyBulkDocument, ImportBulkDocument, RequestBulkDocument } from './generated.ts';
import type { Hub } from './hub.ts';

interface SendOptions {
  /** A CSV file: `docs/formats/bulk.md` has its columns. */
  path: string;
  /** Whether to record what is good, once it was looked through. */
  mayApply: (looked: BulkFile) => boolean;
  onProgress: (file: BulkFile) => void;
}

/** How the file stands in the end. The same file sent again does nothing more. @throws Error for what must be mended */
export async function sendBulkFile(hub: Hub, { path, mayApply, onProgress }: SendOptions): Promise<BulkFile> {
  const { requestBulkUpload: place } = await hub.ask(RequestBulkDocument, {
    input: { idempotencyKey: crypto.randomUUID(), fileName: basename(path) },
  });
  expectNone(place.userErrors);
  // The address is the authority: no token. It takes one file.
  const body = new Uint8Array(await readFile(path));
  const response = await fetch(`${hub.url}${place.uploadUrl}`, { method: 'PUT', body });
  if (!response.ok) throw new Error(`The file was not taken: ${response.status}`);
  const { uploadId } = (await response.json()) as { uploadId: string };

  const { importBulkFile: sent } = await hub.ask(ImportBulkDocument, {
    input: { idempotencyKey: crypto.randomUUID(), uploadId, kind: 'SPENDING', format: 'CSV', dryRun: true },
  });
  expectNone(sent.userErrors);
  const { id } = sent.file!;
  const looked = await followFile(hub, id, onProgress);
  // One that was sent before may be recorded already.
  if (looked.status !== 'CHECKED' || !mayApply(looked)) return looked;
  const { applyBulkFile: applied } = await hub.ask(ApplyBulkDocument, {
    input: { idempotencyKey: crypto.randomUUID(), fileId: id },
  });
  expectNone(applied.userErrors);
  return followFile(hub, id, onProgress);
}

function expectNone(userErrors: { code: string; message: string }[]): void {
  const [error] = userErrors;
  if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
}
