/** Sending a bulk file: a place to send it to, having it read, having it applied. */

import { fileNameOf, tables } from '../evidence/type.ts';
import { lockContent, uploadForMs, uploadPrefix } from '../evidence/upload.ts';
import type { BulkFormat, BulkKind } from '../generated/prisma/enums.ts';
import { idOf, uuidOf } from '../platform/id.ts';
import { type Command, type CommandContext, Refused, UserFault } from '../write/command.ts';
import { actingOrganisation, notFound } from '../write/subject.ts';
import { bulkFilePrefix } from './store.ts';

interface RequestInput {
  idempotencyKey: string;
  fileName: string;
}

interface ImportInput {
  idempotencyKey: string;
  uploadId: string;
  kind: BulkKind;
  format: BulkFormat;
  dryRun: boolean;
}

interface ApplyInput {
  idempotencyKey: string;
  fileId: string;
}

interface FileResult {
  fileId: string;
}

/** @throws UserFault NOT_YOURS where the hub does not know the organisation of the sign-in */
async function organisationOf(context: CommandContext): Promise<string> {
  const organisation = await actingOrganisation(context);
  if (organisation !== null) return organisation.id;
  throw new UserFault('NOT_YOURS', 'This is for an organisation that the hub knows.');
}

const sender = ({ viewer }: CommandContext) => ({
  sentBy: viewer.subject,
  sentByName: viewer.name,
  sentByRole: viewer.role,
});

const request = ({ tx }: CommandContext, fileId: string) =>
  tx.outbox.create({ data: { topic: 'bulk.requested', payload: { fileId } } });

export const requestBulkUploadCommand: Command<RequestInput, { uploadId: string; expiresAt: string }> = {
  name: 'requestBulkUpload',
  run: async (context, input) => {
    const { tx, viewer, now } = context;
    const upload = await tx.evidenceUpload.create({
      data: {
        organisationId: await organisationOf(context),
        fileName: fileNameOf(input.fileName, tables),
        subject: viewer.subject,
        expiresAt: new Date(now.getTime() + uploadForMs),
      },
    });
    const result = { uploadId: idOf(uploadPrefix, upload.id), expiresAt: upload.expiresAt.toISOString() };
    return { result, personIds: [] };
  },
};

interface Arrived {
  file_name: string;
  hash: Uint8Array<ArrayBuffer>;
  size_bytes: bigint | null;
}

const arrivedRow = `
select file_name, hash, size_bytes from evidence_upload where id = $1::uuid and organisation_id = $2::uuid for update`;

/**
 * What came to an address. Its content is locked, so that nobody clears it away meanwhile, and of two who have the same
 * file read the second sees the first.
 *
 * @throws UserFault NOT_FOUND, NOT_UPLOADED
 */
async function arrivedAt({ tx }: CommandContext, organisationId: string, uploadId: string) {
  const [row] = await tx.$queryRawUnsafe<Arrived[]>(
    arrivedRow,
    uuidOf(uploadPrefix, uploadId),
    organisationId,
  );
  if (row === undefined) throw notFound('uploadId');
  if (row.size_bytes === null) {
    const message = 'No file has come to this address yet. Send it to its uploadUrl first.';
    throw new UserFault('NOT_UPLOADED', message, 'uploadId');
  }
  await tx.$queryRawUnsafe(`select ${lockContent('$1::bytea')}::text`, row.hash);
  return { fileName: row.file_name, hash: row.hash, sizeBytes: row.size_bytes };
}

export const importBulkFileCommand: Command<ImportInput, FileResult & { alreadySent: boolean }> = {
  name: 'importBulkFile',
  run: async (context, { uploadId, kind, format, dryRun }) => {
    const { tx } = context;
    const organisationId = await organisationOf(context);
    const arrived = await arrivedAt(context, organisationId, uploadId);
    const before = await tx.bulkFile.findFirst({
      where: { organisationId, hash: arrived.hash, status: { not: 'FAILED' } },
      select: { id: true },
    });
    if (before !== null) {
      return { result: { fileId: idOf(bulkFilePrefix, before.id), alreadySent: true }, personIds: [] };
    }
    const { id } = await tx.bulkFile.create({
      data: { organisationId, kind, format, dryRun, ...arrived, ...sender(context) },
      select: { id: true },
    });
    await request(context, id);
    return { result: { fileId: idOf(bulkFilePrefix, id), alreadySent: false }, personIds: [] };
  },
};

export const applyBulkFileCommand: Command<ApplyInput, FileResult> = {
  name: 'applyBulkFile',
  run: async (context, input) => {
    const { tx } = context;
    const organisationId = await organisationOf(context);
    const [file] = await tx.$queryRawUnsafe<{ id: string; status: string }[]>(
      'select id, status::text as status from bulk_file where id = $1::uuid and organisation_id = $2::uuid for update',
      uuidOf(bulkFilePrefix, input.fileId),
      organisationId,
    );
    if (file === undefined) throw notFound('fileId');
    const result = { fileId: idOf(bulkFilePrefix, file.id) };
    if (file.status !== 'CHECKED') {
      const message = `It is ${file.status}. A file is applied once it was looked through: CHECKED.`;
      throw new Refused([new UserFault('WRONG_STAGE', message, 'fileId')], result);
    }
    // What is good now is decided anew: it counts what has gone in.
    await tx.bulkFile.update({
      where: { id: file.id },
      data: {
        status: 'APPLYING',
        good: 0,
        pence: 0n,
        touchedAt: new Date(),
        finishedAt: null,
        ...sender(context),
      },
    });
    await request(context, file.id);
    return { result, personIds: [] };
  },
};
