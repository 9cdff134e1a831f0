/**
 * Cuts a CSV file that arrives in chunks into its records and says where each stands, so that a reader can go on
 * from any of them later. A record that is no CSV costs that one line and not the file.
 */
import { parse } from 'csv-parse/sync';
import { SourceFault } from './page.ts';

export interface CldRecord {
  /** Null where quotes stand wrongly, so that nobody can say which cell is which. */
  cells: string[] | null;
  /** As received, line ending included. */
  bytes: Buffer;
  /** Number of its first line, as an editor shows it. */
  line: number;
  /** Offset of the byte after it, and the line that begins there. */
  end: number;
  nextLine: number;
}

/** No row of the format comes near; what is longer has an open quote, or is no CSV at all. */
const recordBytesMax = 64 * 1024;
const byteOrderMark = Buffer.from('\uFEFF');
const newline = 0x0a;

/** The records of chunks that begin at this offset and line of the file. Lines without any cell are passed over. */
export async function* readRecords(
  chunks: AsyncIterable<Buffer>,
  offset: number,
  line: number,
): AsyncGenerator<CldRecord> {
  let rest: Buffer = Buffer.alloc(0);
  let at = offset;
  let lineAt = line;
  const take = function* (isLast: boolean): Generator<CldRecord> {
    let taken = 0;
    for (const { cells, end } of cut(rest, isLast)) {
      let start = taken;
      for (; rest[start] === newline || rest[start] === 0x0d; start++) if (rest[start] === newline) lineAt++;
      const bytes = rest.subarray(start, end);
      const first = lineAt;
      for (let i = bytes.indexOf(newline); i >= 0; i = bytes.indexOf(newline, i + 1)) lineAt++;
      yield { cells, bytes, line: first, end: at + end, nextLine: lineAt };
      taken = end;
    }
    rest = rest.subarray(taken);
    at += taken;
  };
  for await (const chunk of chunks) {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    if (at === 0 && rest.length >= byteOrderMark.length && rest.subarray(0, 3).equals(byteOrderMark)) {
      rest = rest.subarray(byteOrderMark.length);
      at = byteOrderMark.length;
    }
    yield* take(false);
  }
  yield* take(true);
}

interface Cut {
  cells: string[] | null;
  end: number;
}

/** The whole records at the start of these bytes; what is left over at their end waits for more, unless it is the last. */
function cut(bytes: Buffer, isLast: boolean): Cut[] {
  const cuts: Cut[] = [];
  let from = 0;
  while (from < bytes.length) {
    // A lone \r may be the first half of a line ending: after a closing quote it would look like a fault.
    const isHalved = !isLast && bytes.at(-1) === 0x0d;
    const block = bytes.subarray(from, isHalved ? -1 : undefined);
    let end = 0;
    let broken = false;
    try {
      parse(block, {
        record_delimiter: ['\r\n', '\n'],
        relax_column_count: true,
        skip_empty_lines: true,
        on_record: (cells: string[], info) => {
          if (info.bytes < block.length || block[info.bytes - 1] === newline || isLast) {
            end = info.bytes;
            cuts.push({ cells, end: from + end });
          }
          return null;
        },
      });
    } catch (error) {
      broken = isLast || (error as { code?: string }).code !== 'CSV_QUOTE_NOT_CLOSED';
    }
    from += end;
    const left = bytes.length - from;
    if (!broken && left <= recordBytesMax) break;
    const lineEnd = bytes.indexOf(newline, firstText(bytes, from));
    if (lineEnd < 0 && !isLast) {
      if (left > recordBytesMax)
        throw new SourceFault('SOURCE_ANSWER_INVALID', 'File has a line too long for CSV');
      break;
    }
    from = lineEnd < 0 ? bytes.length : lineEnd + 1;
    cuts.push({ cells: null, end: from });
  }
  return cuts;
}

function firstText(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === newline || bytes[at] === 0x0d) at++;
  return at;
}
