import { crc32 } from 'node:zlib';

/** Documents as small as their kinds can be. `mark` makes two of a kind differ. */
export const pdf = (mark: string) =>
  Buffer.from(`%PDF-1.4\n% ${mark}\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n`);

export const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export const jpeg = Buffer.from(
  'ffd8ffe000104a46494600010100000100010000ffdb004300ffd9'.padEnd(400, '0'),
  'hex',
);

export const heic = Buffer.concat([
  Buffer.from([0, 0, 0, 24]),
  Buffer.from('ftypheic\0\0\0\0mif1heic', 'latin1'),
  Buffer.alloc(64),
]);

export const exe = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)]);

/** A zip whose entries are stored as they are. */
export function zip(entries: Record<string, string>): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(entries)) {
    const data = Buffer.from(text);
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt32LE(crc32(data) >>> 0, 10);
    head.writeUInt32LE(data.length, 14);
    head.writeUInt32LE(data.length, 18);
    head.writeUInt16LE(name.length, 22);
    const whole = Buffer.concat([Buffer.from('PK\x03\x04'), head, Buffer.from(name), data]);
    const entry = Buffer.alloc(42);
    entry.writeUInt16LE(20, 0);
    head.copy(entry, 2, 0, 26);
    entry.writeUInt32LE(offset, 38);
    central.push(Buffer.from('PK\x01\x02'), entry, Buffer.from(name));
    local.push(whole);
    offset += whole.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  const count = Object.keys(entries).length;
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end]);
}

const officeTypes = (part: string) =>
  `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/x" ContentType="application/vnd.openxmlformats-officedocument.${part}.main+xml"/></Types>`;

export const docx = zip({
  '[Content_Types].xml': officeTypes('wordprocessingml.document'),
  'word/document.xml': '<w/>',
});

export const xlsx = zip({
  '[Content_Types].xml': officeTypes('spreadsheetml.sheet'),
  'xl/workbook.xml': '<w/>',
});
