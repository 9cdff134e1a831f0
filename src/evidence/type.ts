/** What a file really is, by its content. The name only has to agree. */
import { createReadStream } from 'node:fs';
import { fileTypeFromFile } from 'file-type';
import { Fault } from '../platform/fault.ts';

const office = 'application/vnd.openxmlformats-officedocument';

/** The endings that a name may have, and the media types that may then be inside. */
const allowed: Record<string, string[]> = {
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

const taken = new Set(Object.values(allowed).flat());

export const endings = Object.keys(allowed).join(', ');

const typesFor = (fileName: string): string[] =>
  allowed[/\.([a-z0-9]+)$/i.exec(fileName)?.[1]?.toLowerCase() ?? ''] ?? [];

export const hasKnownEnding = (fileName: string): boolean => typesFor(fileName).length > 0;

/**
 * The media type of the content.
 *
 * @throws Fault EVIDENCE_TYPE where it is none that is taken, or another than the name says
 */
export async function mediaTypeOf(path: string, fileName: string): Promise<string> {
  const types = typesFor(fileName);
  const found = (await fileTypeFromFile(path))?.mime;
  if (found !== undefined && types.includes(found)) return found;
  // The first letters of a table can look like the mark of some old kind of file, but not of one that is taken.
  const text = types.find((type) => type.startsWith('text/'));
  if (text !== undefined && (found === undefined || !taken.has(found)) && (await isText(path))) return text;
  throw new Fault(
    'EVIDENCE_TYPE',
    `The content must be what the name says, and one of these: ${endings}. Ask for a new upload under the right name.`,
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
