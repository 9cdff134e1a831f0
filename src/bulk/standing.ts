/** How bulk files stand, asked for all who follow one together: one statement, however many they are. */
import DataLoader from 'dataloader';
import { maySeeBulk, ownOrganisation } from '../access/policy.ts';
import type { Viewer } from '../access/viewer.ts';
import type { Pipeline } from '../platform/pipeline.ts';

export interface Standing {
  /** Another as soon as its status or one of its counts is, and never the same again. Opaque to whoever gets it. */
  mark: string;
  /** Nobody is at work on it: it is done, has failed, or waits to be applied. */
  rests: boolean;
}

/** Null where the viewer does not see the file. */
export type AskStanding = (viewer: Viewer, fileId: string) => Promise<Standing | null>;

const maxBatchSize = 5_000;

const own = ownOrganisation({
  viewer: (fact) => `q.${fact}`,
  today: () => 'current_date',
  now: () => 'now()',
});

const statement = {
  name: 'bulk-standing',
  text: `select q.n, concat_ws('.', f.status, f.rows, f.good, f.bad, f.applied, f.unchanged),
                f.status in ('CHECKED', 'DONE', 'FAILED')
           from unnest($1::int[], $2::uuid[], $3::text[], $4::text[]) as q(n, file_id, subject, organisation)
           join bulk_file f on f.id = q.file_id and f.organisation_id = ${own}`,
};

export function openStandings(reader: Pipeline): AskStanding {
  const loader = new DataLoader(
    async (asked: readonly { viewer: Viewer; fileId: string }[]) => {
      const rows = await reader.run(statement, [
        asked.map((_, n) => n),
        asked.map(({ fileId }) => fileId),
        asked.map(({ viewer }) => viewer.subject),
        asked.map(({ viewer }) => viewer.organisation),
      ]);
      const found = new Map(
        rows.map(([n, mark, rests]) => [
          n as number,
          { mark: Buffer.from(mark as string).toString('base64url'), rests: rests as boolean },
        ]),
      );
      return asked.map((_, n) => found.get(n) ?? null);
    },
    // Never remembered: what was so a moment ago is asked again.
    { cache: false, maxBatchSize },
  );
  return async (viewer, fileId) => (maySeeBulk(viewer.role) ? loader.load({ viewer, fileId }) : null);
}

const mark = /^[A-Z]+(\.\d{1,9}){5}$/;

/** Whether a text can be the mark of a file. */
export const isMark = (text: string): boolean => mark.test(Buffer.from(text, 'base64url').toString());
