/**
 * Whether somebody may see a person now, asked for all open streams together: one statement for each kind of viewer and
 * part of the record, however many of them there are.
 */
import DataLoader from 'dataloader';
import { employs, maySeePerson, type PolicyParameters, sharesWith } from '../access/policy.ts';
import type { Part } from '../access/table.ts';
import type { Viewer, ViewerRole } from '../access/viewer.ts';
import { londonDay } from '../platform/day.ts';
import type { Pipeline, Statement } from '../platform/pipeline.ts';

interface Question {
  viewer: Viewer;
  /** Null where it is asked whether they are at work at all. */
  personId: string | null;
  part: Part;
}

export interface Gate {
  /** This part of the person's record, whichever side it is of. */
  maySee(viewer: Viewer, personId: string, part: Part): Promise<boolean>;
  /** Nobody has ended their work for the organisation they act for. */
  isAtWork(viewer: Viewer): Promise<boolean>;
}

/** What the statement is asked at a time: some tens of milliseconds' work. */
const maxBatchSize = 5_000;

const statements = new Map<string, Statement>();

function statementFor(role: ViewerRole, part: Part): Statement {
  const known = statements.get(`${role}-${part}`);
  if (known !== undefined) return known;
  const columns = {
    subject: 'q.subject',
    name: 'q.name',
    organisation: 'q.organisation',
    nhsNumber: 'q.nhs_number',
  };
  const asked: PolicyParameters = {
    viewer: (fact) => columns[fact],
    today: () => '$7::date',
    now: () => 'now()',
  };
  const may = maySeePerson(role, 'q.person_id', asked, part);
  const shares = sharesWith(role, part, 'q.person_id', 'EITHER', asked) ?? 'true';
  const made = {
    name: `live-may-see-${role}-${part}`,
    text: `select q.n
             from unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
               as q(n, person_id, subject, name, organisation, nhs_number)
            where $7::date is not null
              and case when q.person_id is null then ${employs(asked)} else ${may} and ${shares} end`,
  };
  statements.set(`${role}-${part}`, made);
  return made;
}

export function openGate(reader: Pipeline, now: () => Date): Gate {
  async function answer(questions: readonly Question[]): Promise<boolean[]> {
    const today = londonDay(now());
    const byStatement = new Map<Statement, Map<string, Question & { asking: number[] }>>();
    for (const [index, { viewer, personId, part }] of questions.entries()) {
      const { role, subject, organisation, nhsNumber } = viewer;
      const statement = statementFor(role, part);
      const key = JSON.stringify([personId, organisation, nhsNumber, subject]);
      const alike = byStatement.get(statement) ?? new Map();
      const asked = alike.get(key) ?? { viewer, personId, part, asking: [] };
      asked.asking.push(index);
      byStatement.set(statement, alike.set(key, asked));
    }
    const answers = questions.map(() => false);
    await Promise.all(
      [...byStatement].map(async ([statement, alike]) => {
        const asked = [...alike.values()];
        const rows = await reader.run(statement, [
          asked.map((_, n) => n),
          asked.map(({ personId }) => personId),
          asked.map(({ viewer }) => viewer.subject),
          asked.map(({ viewer }) => viewer.name),
          asked.map(({ viewer }) => viewer.organisation),
          asked.map(({ viewer }) => viewer.nhsNumber),
          today,
        ]);
        for (const [n] of rows) for (const index of asked[n as number]!.asking) answers[index] = true;
      }),
    );
    return answers;
  }

  // Never remembered: what was so a moment ago is asked again.
  const loader = new DataLoader(answer, { cache: false, maxBatchSize });
  return {
    maySee: (viewer, personId, part) => loader.load({ viewer, personId, part }),
    isAtWork: (viewer) => loader.load({ viewer, personId: null, part: 'IDENTITY' }),
  };
}
