import { uuidOf } from '../platform/id.ts';
import { type ReadContext, readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { attachEvidenceCommand, detachEvidenceCommand, requestEvidenceUploadCommand } from './command.ts';
import { uploadPrefix, uploadUrl } from './upload.ts';

interface Requested {
  uploadId?: string;
  expiresAt?: string;
}

/** Made anew from what the command answered, so that the address itself is kept nowhere. */
export const requestedUrl = (
  { uploadId, expiresAt }: Requested,
  _args: unknown,
  { tools, viewer }: ReadContext,
) =>
  uploadId === undefined
    ? null
    : uploadUrl(
        tools.files,
        { id: uuidOf(uploadPrefix, uploadId)!, expiresAt: new Date(expiresAt!) },
        viewer,
      );

export const evidenceResolvers = {
  Mutation: {
    requestEvidenceUpload: mutation(requestEvidenceUploadCommand),
    attachEvidence: mutation(attachEvidenceCommand),
    detachEvidence: mutation(detachEvidenceCommand),
  },
  RequestEvidenceUploadPayload: { uploadUrl: requestedUrl },
  AttachEvidencePayload: { spend: readById('spendId') },
  DetachEvidencePayload: { spend: readById('spendId') },
};
