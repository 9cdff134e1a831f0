/**
 * Whether somebody may see a person now, asked for all open streams together: one statement for each kind of viewer,
 * however many of them there are.
 */
import DataLoader from 'dataloader';
import { maySeePerson } from '../access/policy.ts';
import type { Viewer, ViewerRole } from '../access/viewer.ts';
import { londonDay } from '../platform/day.ts';
import type { Pipeline, Statement } from '../platform/pipeline.ts';

interface Question {
  viewer: Viewer;
  personId: string;
}

export interface Gate {
  maySee(viewer: Viewer, personId: string): Promise<boolean>;
}

/** What the statement is asked at a time: some tens of milliseconds' work. */
const maxBatchSize = 5_000;

const statements = new Map<ViewerRole, Statement>();

function statementFor(role: ViewerRole): Statement {
  const known = statements.get(role);
  if (known !== undefined) return known;
  const columns = {
    subject: 'q.subject',
    name: 'q.name',
    organisation: 'q.organisation',
    nhsNumber: 'q.nhs_number',
  };
  const condition = maySeePerson(role, 'q.person_id', {
    viewer: (fact) => columns[fact],
    today: () => '$7::date',
    now: () => 'now()',
  });
  const made = {
    name: `live-may-see-${role}`,
    text: `select q.n
             from unnest($1::int[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
               as q(n, person_id, subject, name, organisation, nhs_number)
            where $7::date is not null and ${condition}`,
  };
  statements.set(role, made);
  return made;
}

export function openGate(reader: Pipeline, now: () => Date): Gate {
  async function answer(questions: readonly Question[]): Promise<boolean[]> {
    const today = londonDay(now());
    const byRole = new Map<ViewerRole, Map<string, Question & { asking: number[] }>>();
    for (const [index, { viewer, personId }] of questions.entries()) {
      const { role, subject, organisation, nhsNumber } = viewer;
      const key = JSON.stringify([personId, organisation, nhsNumber, subject]);
      const alike = byRole.get(role) ?? new Map();
      const asked = alike.get(key) ?? { viewer, personId, asking: [] };
      asked.asking.push(index);
      byRole.set(role, alike.set(key, asked));
    }
    const answers = questions.map(() => false);
    await Promise.all(
      [...byRole].map(async ([role, alike]) => {
        const asked = [...alike.values()];
        const rows = await reader.run(statementFor(role), [
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
  return { maySee: (viewer, personId) => loader.load({ viewer, personId }) };
}
