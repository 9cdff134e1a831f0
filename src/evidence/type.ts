/** What a file really is, by its content. The name only has to agree. */
import { createReadStream } from 'node:fs';
import { fileTypeFromFile } from 'file-type';
import { Fault } from '../platform/fault.ts';
import { UserFault } from '../write/command.ts';

const office = 'application/vnd.openxmlformats-officedocument';

/** The endings that a name may have, and the media types that may then be inside. */
export type Taken = Record<string, string[]>;

export const documents: Taken = {
  pdf: ['application/pdf'],
  png: ['image/png'],
  jpg: ['image/jpeg'],
  jpeg: ['image/jpeg'],
  // What telephones take.
  heic: ['image/heic', 'image/heif'],
  heif: ['image/heif', 'image/heic'],
  tif: ['image/tiff'],
  tiff: ['image/tiff'],
  docx: [`${office}.wordprocessingml.document`],
  xlsx: [`${office}.spreadsheetml.sheet`],
  csv: ['text/csv'],
  // Statements of banks in camt.053; with no declaration at its head it is text like any other.
  xml: ['application/xml', 'text/xml'],
  txt: ['text/plain'],
};

/** Files of rows, of many people. */
export const tables: Taken = { csv: ['text/csv'], json: ['application/json'] };

/** What looks like one of these is no text, whatever it is called. */
const marked = new Set(Object.values(documents).flat());

const endingsOf = (taken: Taken): string => Object.keys(taken).join(', ');

const typesFor = (taken: Taken, fileName: string): string[] =>
  taken[/\.([a-z0-9]+)$/i.exec(fileName)?.[1]?.toLowerCase() ?? ''] ?? [];

const maxName = 200;

/** Control characters, and those that make a name read other than it is written. */
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** A name that a file may have. @throws UserFault TEXT_INVALID, EVIDENCE_TYPE */
export function fileNameOf(fileName: string, taken: Taken): string {
  const name = fileName.trim();
  if (name.length === 0 || name.length > maxName || hidden.test(name) || /[/\\]/.test(name)) {
    const message = `A file's name is 1 to ${maxName} characters, without folders.`;
    throw new UserFault('TEXT_INVALID', message, 'fileName');
  }
  if (typesFor(taken, name).length > 0) return name;
  throw new UserFault('EVIDENCE_TYPE', `The name must end with one of: ${endingsOf(taken)}.`, 'fileName');
}

/**
 * The media type of the content.
 *
 * @throws Fault EVIDENCE_TYPE where it is none that is taken, or another than the name says
 */
export async function mediaTypeOf(path: string, fileName: string, taken: Taken): Promise<string> {
  const types = typesFor(taken, fileName);
  const found = (await fileTypeFromFile(path))?.mime;
  if (found !== undefined && types.includes(found)) return found;
  // The first letters of a table can look like the mark of some old kind of file, but not of one that is taken.
  const text = types.find((type) => type.startsWith('text/') || type === 'application/json');
  if (text !== undefined && (found === undefined || !marked.has(found)) && (await isText(path))) return text;
  throw new Fault(
    'EVIDENCE_TYPE',
    `The content must be what the name says, and one of these: ${endingsOf(taken)}. Ask for a new upload under the right name.`,
  );
}

/** Text has no mark: it is what holds no control characters but tabs and the ends of lines, in whatever encoding. */
async function isText(path: string): Promise<boolean> {
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    if (
      chunk.some((byte) => (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f)
    )
      return false;
  }
  return true;
}
