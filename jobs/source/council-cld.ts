/**
 * Reads a council's Client Level Data files, from an address that lists them or from a folder where they are dropped,
 * a page of rows at a time. The cursor holds the byte where the next page begins, so a worker that was killed goes on
 * from the last page applied, and no page reads what another has read. The format: `docs/formats/council-cld.md`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Problem, Submission } from '../../src/intake/submission.ts';
import { arriving, ask, askJson } from './answer.ts';
import { type CldRecord, readRecords } from './cld-record.ts';
import { type CldCells, type CldContext, dateStyleOf, digestOf, toSubmissions } from './cld-row.ts';
import { cldDateHeadings, cldHeadingOf, cldHeadings } from './cld-value.ts';
import { type Page, SourceFault } from './page.ts';

export interface CldOptions {
  /** The council whose rows these are: its three-digit code. */
  laCode: string;
  /** Rows a page. */
  limit?: number;
  timeoutMs?: number;
  now?: () => Date;
}

export interface CldCursor {
  /** Files that were read to their end, by name. They are not read again unless they change. */
  applied: Record<string, { tag: string; sha256: string; rows: number; problems: number }>;
  reading: Reading | null;
}

/** A file on the way, and what its first, quick pass found out. */
interface Reading {
  name: string;
  /** Says that the file is still the same one: its checksum where it is published, else its size and time. */
  tag: string;
  sha256: string;
  total: number;
  /** Slashed dates begin with the day; false also where no row, or rows against each other, tell. */
  dayFirst: boolean;
  /** Published heading of each column; null for a column that we do not know. */
  headings: (string | null)[];
  /** Where the next page begins. */
  offset: number;
  line: number;
  rows: number;
  problems: number;
}

interface ListedFile {
  name: string;
  tag: string;
  sha256: string | null;
  publishedAt: number;
  bytes: number;
  from(offset: number): AsyncIterable<Buffer>;
}

const defaultLimit = 1_000;
/** About a page of rows: what a range holds beyond the page is fetched in vain. */
const rangeBytes = 2 ** 18;
const fileName = /^\w[\w.-]*\.csv$/i;

export async function fetchCldPage(
  baseUrl: string,
  cursor: CldCursor | null,
  options: CldOptions,
): Promise<Page<CldCursor>> {
  const files = await listFiles(baseUrl, options);
  const names = new Set(files.map(({ name }) => name));
  const applied = Object.fromEntries(
    Object.entries(cursor?.applied ?? {}).filter(([name]) => names.has(name)),
  );
  const isApplied = (file: ListedFile) => applied[file.name]?.tag === file.tag;

  // A copy: the caller's cursor stays as it is, should this page fail.
  let reading = cursor?.reading ? { ...cursor.reading } : null;
  let file = files.find(({ name, tag }) => name === reading?.name && tag === reading.tag);
  const rows: (Submission | Problem)[] = [];
  if (!file) reading = null;
  while (!file || !reading) {
    file = files.find((candidate) => !isApplied(candidate));
    if (!file) return { rows, cursor: { applied, reading: null }, done: true, total: 0 };
    const surveyed = await survey(file, options);
    const before = applied[file.name];
    if (before?.sha256 === surveyed.reading.sha256) {
      applied[file.name] = { ...before, tag: file.tag };
      file = undefined;
    } else {
      reading = surveyed.reading;
      rows.push(...surveyed.problems);
    }
  }

  const finished = await readRows(file, reading, rows, options);
  const { name, tag, sha256, rows: rowsRead, problems } = reading;
  if (finished) applied[name] = { tag, sha256, rows: rowsRead, problems };
  const version = `cld ${sha256}`;
  return {
    rows: rows.map((row) => (row.kind === 'problem' ? { ...row, version } : row)),
    cursor: { applied, reading: finished ? null : reading },
    done: finished && files.every(isApplied),
    total: reading.total,
    ...(finished ? { endsFile: version } : {}),
  };
}

// The rows of one page; moves `reading` on. True when the file has no more.
async function readRows(
  file: ListedFile,
  reading: Reading,
  rows: (Submission | Problem)[],
  { laCode, limit = defaultLimit }: CldOptions,
): Promise<boolean> {
  const sent = new Map<string, string>();
  const until = reading.rows + limit;
  for await (const record of readRecords(file.from(reading.offset), reading.offset, reading.line)) {
    if (!isBlank(record)) {
      if (reading.rows === until) return false;
      reading.rows += 1;
      for (const row of rowsOf(record, reading, laCode)) {
        if (row.kind === 'problem') reading.problems += 1;
        if (row.kind === 'person' || row.kind === 'role') {
          const key = `${row.kind} ${row.externalId}`;
          const said = JSON.stringify(row.facts);
          if (sent.get(key) === said) continue;
          sent.set(key, said);
        }
        rows.push(row);
      }
    }
    reading.offset = record.end;
    reading.line = record.nextLine;
  }
  return true;
}

function rowsOf(record: CldRecord, reading: Reading, laCode: string): (Submission | Problem)[] {
  const { name: file, dayFirst, headings } = reading;
  const context: CldContext = { laCode, file, line: record.line, dayFirst };
  if (record.cells?.length === headings.length)
    return toSubmissions(cellsOf(record.cells, headings), context);
  const { cells } = record;
  return [
    {
      kind: 'problem',
      externalId: digestOf(record.bytes),
      version: file,
      place: `line ${record.line} of ${file}`,
      raw: { line: storable(record.bytes.toString()), context },
      column: null,
      ...(cells
        ? {
            code: 'ROW_LENGTH',
            found: `${cells.length} cells under ${headings.length} headings`,
            advice: 'Put cells that hold a comma in quotes, leave none out, and send the file again.',
          }
        : {
            code: 'ROW_UNREADABLE',
            found: 'quotes that do not match',
            advice: 'Put the cell in quotes, double the quotes within it, and send the file again.',
          }),
    },
  ];
}

function cellsOf(cells: string[], headings: (string | null)[]): CldCells {
  const byHeading: CldCells = {};
  for (const [i, heading] of headings.entries()) {
    const cell = cells[i];
    if (heading && cell) byHeading[heading] = storable(cell);
  }
  return byHeading;
}

/** PostgreSQL stores no NUL; what stands in its place marks the cell as unreadable. */
const storable = (text: string) => (text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text);

const isBlank = ({ cells }: CldRecord) => cells?.every((cell) => cell.trim() === '') === true;

/** The first pass over a new file: its checksum, its rows, its headings, and how it writes dates. */
async function survey(
  file: ListedFile,
  { laCode }: CldOptions,
): Promise<{ reading: Reading; problems: Problem[] }> {
  const hash = createHash('sha256');
  async function* hashed() {
    for await (const chunk of file.from(0)) {
      hash.update(chunk);
      yield chunk;
    }
  }
  let header: CldRecord | null = null;
  let headings: (string | null)[] = [];
  let dateColumns: number[] = [];
  let total = 0;
  const styles = new Set<string | null>();
  for await (const record of readRecords(hashed(), 0, 1)) {
    if (isBlank(record)) continue;
    if (!header) {
      header = record;
      headings = headingsOf(record.cells ?? []);
      dateColumns = headings.flatMap((heading, i) =>
        heading && cldDateHeadings.includes(heading) ? [i] : [],
      );
      continue;
    }
    total += 1;
    for (const column of dateColumns) styles.add(dateStyleOf(record.cells?.[column] ?? ''));
  }
  const sha256 = hash.digest('hex');
  if (file.sha256 !== null && file.sha256 !== sha256)
    throw new SourceFault(
      'SOURCE_ANSWER_INVALID',
      'File does not have the checksum that it was published with',
    );
  const problems = headingProblems(file.name, header, headings, laCode);
  const isCld = headings.some((heading) => heading !== null);
  return {
    problems,
    reading: {
      name: file.name,
      tag: file.tag,
      sha256,
      total: isCld ? total : 0,
      dayFirst: styles.has('DAY_FIRST') && !styles.has('MONTH_FIRST'),
      headings,
      // Of a file that is not Client Level Data nothing is read: one Problem says so, not one a row.
      offset: header && isCld ? header.end : file.bytes,
      line: header?.nextLine ?? 1,
      rows: 0,
      problems: problems.length,
    },
  };
}

/** A heading that stands twice counts where it stands first. */
function headingsOf(cells: string[]): (string | null)[] {
  const headings = cells.map(cldHeadingOf);
  return headings.map((heading, i) => (headings.indexOf(heading) === i ? heading : null));
}

/** An unknown heading is named by its position: a file without headings has a person's data in their place. */
function headingProblems(
  file: string,
  header: CldRecord | null,
  headings: (string | null)[],
  laCode: string,
): Problem[] {
  const problem = (code: string, column: string | null, found: string, advice: string): Problem => ({
    kind: 'problem',
    externalId: digestOf(JSON.stringify([laCode, file, code, column, found])),
    version: file,
    raw: { headings: header?.cells?.map(storable) ?? [] },
    place: `line ${header?.line ?? 1} of ${file}`,
    code,
    column,
    found,
    advice,
  });
  if (headings.every((heading) => heading === null))
    return [
      problem(
        'HEADINGS_UNKNOWN',
        null,
        'no heading of Client Level Data',
        'Send the file with its headings.',
      ),
    ];
  const unknown = headings.flatMap((heading, i) =>
    heading === null
      ? [
          problem(
            'HEADING_UNKNOWN',
            null,
            `column ${i + 1} of the file`,
            'Its cells are not used. Check its spelling.',
          ),
        ]
      : [],
  );
  const missing = cldHeadings
    .filter((heading) => !headings.includes(heading))
    .map((heading) => problem('HEADING_MISSING', heading, 'no such column', 'Its cells count as blank.'));
  return [...unknown, ...missing];
}

// ---- Where the files are ----

/** Oldest first, so that what a later file says is applied later. */
async function listFiles(baseUrl: string, options: CldOptions): Promise<ListedFile[]> {
  const files = baseUrl.startsWith('file:')
    ? await inFolder(fileURLToPath(baseUrl))
    : await published(baseUrl, options);
  return files.sort((a, b) => a.publishedAt - b.publishedAt || (a.name < b.name ? -1 : 1));
}

async function inFolder(folder: string): Promise<ListedFile[]> {
  const names = (await reachable(readdir(folder))).filter((name) => fileName.test(name));
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const { size, mtimeMs } = await reachable(stat(path));
      const from = (offset: number) => (offset < size ? fileBytes(path, offset, size) : noBytes());
      return { name, tag: `${size} ${mtimeMs}`, sha256: null, publishedAt: mtimeMs, bytes: size, from };
    }),
  );
}

async function reachable<T>(something: Promise<T>): Promise<T> {
  try {
    return await something;
  } catch {
    throw new SourceFault('SOURCE_DOWN', 'The folder of files cannot be read');
  }
}

async function* noBytes(): AsyncGenerator<Buffer> {}

async function* fileBytes(path: string, offset: number, size: number): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { start: offset, end: size - 1 }) as AsyncIterable<Buffer>;
  } catch {
    throw new SourceFault('SOURCE_DOWN', 'The folder of files cannot be read');
  }
}

const listing = z.array(
  z.object({
    name: z.string().regex(fileName),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    bytes: z.int().nonnegative(),
    publishedAt: z.iso.datetime({ offset: true }),
  }),
);

async function published(baseUrl: string, options: CldOptions): Promise<ListedFile[]> {
  const base = new URL(baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  const parsed = listing.safeParse(await askJson(base, options));
  if (!parsed.success) throw new SourceFault('SOURCE_ANSWER_INVALID', 'List of files is not as agreed');
  return parsed.data.map(({ name, sha256, bytes, publishedAt }) => ({
    name,
    tag: sha256,
    sha256,
    bytes,
    publishedAt: Date.parse(publishedAt),
    from: (offset) => publishedBytes(new URL(name, base), offset, { sha256, bytes }, options),
  }));
}

/** Asks for a range at a time. A server that sends the whole file instead is read past what we have already. */
async function* publishedBytes(
  url: URL,
  offset: number,
  file: { sha256: string; bytes: number },
  options: CldOptions,
): AsyncGenerator<Buffer> {
  let at = offset;
  while (at < file.bytes) {
    const Range = `bytes=${at}-${Math.min(at + rangeBytes, file.bytes) - 1}`;
    const headers = { Range, 'Accept-Encoding': 'identity' };
    const answer = await ask(url, { ...options, accept: 'text/csv', headers });
    const { start, end } = rangeOf(answer, at, file);
    let here = start;
    const chunks = answer.body?.[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = chunks ? await arriving(chunks.next()) : null;
        if (!next || next.done) break;
        const chunk = Buffer.from(next.value as Uint8Array);
        const from = Math.max(at - here, 0);
        here += chunk.length;
        if (from < chunk.length) yield chunk.subarray(from);
        at = Math.max(at, here);
      }
    } finally {
      await chunks?.return?.();
    }
    if (here !== end)
      throw new SourceFault('SOURCE_ANSWER_INVALID', 'Answer is shorter or longer than it says');
  }
}

/** The bytes that this answer holds. Refuses one that is of another file than the list spoke of. */
function rangeOf(
  answer: Response,
  at: number,
  file: { sha256: string; bytes: number },
): { start: number; end: number } {
  const checksum = /^"([0-9a-f]{64})"$/.exec(answer.headers.get('etag') ?? '')?.[1];
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers.get('content-range') ?? '');
  const [start, end, bytes] =
    answer.status === 206
      ? [Number(range?.[1]), Number(range?.[2]) + 1, Number(range?.[3])]
      : [0, file.bytes, file.bytes];
  if (start !== (answer.status === 206 ? at : 0) || !(end > at) || bytes !== file.bytes)
    throw new SourceFault('SOURCE_ANSWER_INVALID', 'Answer holds other bytes than were asked for');
  if (checksum !== undefined && checksum !== file.sha256)
    throw new SourceFault('SOURCE_ANSWER_INVALID', 'The file changed while it was read');
  return { start, end };
}
