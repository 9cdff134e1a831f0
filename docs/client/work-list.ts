/** Whom we work for: the people whose accounts we operate, and the returns that are due for them. */
import { WorkListDocument, type WorkListQuery } from './generated.ts';
import type { Hub } from './hub.ts';

export interface Family {
  personId: string;
  nhsNumber: string | undefined;
  /** The portion whose account we operate; without one there is nothing to spend from. */
  pot: { budgetId: string; portionId: string } | undefined;
  returnsDue: { from: string; to: string; dueOn: string }[];
}

type Node = WorkListQuery['caseload']['nodes'][number];

function familyOf({ id, identifiers, budgets, returns }: Node, ourCode: string | undefined): Family {
  // A list is null where the person keeps this part of the record from us: `extensions.restricted` says so.
  const pots = (budgets ?? []).flatMap(({ id: budgetId, portions }) =>
    portions
      .filter(({ accountOperator }) => accountOperator?.code === ourCode)
      .map((portion) => ({ budgetId, portionId: portion.id })),
  );
  return {
    personId: id,
    nhsNumber: identifiers.find(({ system }) => system === 'NHS_NUMBER')?.value,
    pot: pots[0],
    returnsDue: (returns?.nodes ?? []).filter(({ status }) => status === 'DUE' || status === 'QUERIED'),
  };
}

/** Reads page by page, to the end. */
export async function readWorkList(hub: Hub): Promise<Family[]> {
  const families: Family[] = [];
  for (let after: string | null = null; ; ) {
    const { me, caseload }: WorkListQuery = await hub.ask(WorkListDocument, { after });
    families.push(...caseload.nodes.map((node) => familyOf(node, me?.organisation?.code)));
    if (!caseload.pageInfo.hasNextPage) return families;
    after = caseload.pageInfo.endCursor;
  }
}
