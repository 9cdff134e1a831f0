import { requestedUrl } from '../evidence/resolvers.ts';
import { readById } from '../read/execute.ts';
import { mutation } from '../write/command.ts';
import { applyBulkFileCommand, importBulkFileCommand, requestBulkUploadCommand } from './command.ts';

export const bulkResolvers = {
  Mutation: {
    requestBulkUpload: mutation(requestBulkUploadCommand),
    importBulkFile: mutation(importBulkFileCommand),
    applyBulkFile: mutation(applyBulkFileCommand),
  },
  RequestBulkUploadPayload: { uploadUrl: requestedUrl },
  ImportBulkFilePayload: { file: readById('fileId') },
  ApplyBulkFilePayload: { file: readById('fileId') },
};
