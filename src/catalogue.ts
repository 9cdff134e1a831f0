/** Everything the API can be asked, put together: the SDL of `schema/`, the views of the domains, their commands. */
import { readdirSync, readFileSync } from 'node:fs';
import { makeExecutableSchema } from '@graphql-tools/schema';
import { isScalarType } from 'graphql';
import { accessLogViews } from './access-log/view.ts';
import { budgetResolvers } from './budget/resolvers.ts';
import { budgetViews } from './budget/view.ts';
import { bulkResolvers } from './bulk/resolvers.ts';
import { bulkViews } from './bulk/view.ts';
import { commissionerViews } from './commissioner/view.ts';
import { confidentialityResolvers } from './confidentiality/resolvers.ts';
import { confidentialityViews } from './confidentiality/view.ts';
import { decisionResolvers } from './decision/resolvers.ts';
import { decisionViews } from './decision/view.ts';
import { eligibilityResolvers } from './eligibility/resolvers.ts';
import { eligibilityViews } from './eligibility/view.ts';
import { evidenceResolvers } from './evidence/resolvers.ts';
import { evidenceViews } from './evidence/view.ts';
import { intakeResolvers } from './intake/resolvers.ts';
import { intakeViews } from './intake/view.ts';
import { ledgerViews } from './ledger/view.ts';
import { liveResolvers } from './live/resolvers.ts';
import { packageViews } from './package/view.ts';
import { packageChangeResolvers } from './package-change/resolvers.ts';
import { packageChangeViews } from './package-change/view.ts';
import { paymentResolvers } from './payment/resolvers.ts';
import { paymentRunViews } from './payment/run-view.ts';
import { paymentViews } from './payment/view.ts';
import { personResolvers } from './person/resolvers.ts';
import { personViews } from './person/view.ts';
import { planResolvers } from './plan/resolvers.ts';
import { planViews } from './plan/view.ts';
import { checkPolicy } from './read/check-policy.ts';
import type { CursorKeys } from './read/cursor.ts';
import { openExecutor } from './read/execute.ts';
import { scalars } from './read/scalar.ts';
import { joinViews, moneyView } from './read/view.ts';
import { returnResolvers } from './return/resolvers.ts';
import { returnViews } from './return/view.ts';
import { reviewResolvers } from './review/resolvers.ts';
import { reviewViews } from './review/view.ts';
import { spendingResolvers } from './spending/resolvers.ts';
import { statementViews } from './spending/statement-view.ts';
import { spendingViews } from './spending/view.ts';
import { surplusResolvers } from './surplus/resolvers.ts';
import { surplusViews } from './surplus/view.ts';
import { teamResolvers } from './team/resolvers.ts';
import { teamViews } from './team/view.ts';
import { keptViews } from './work/kept.ts';
import { workViews } from './work/view.ts';

const folder = new URL('../schema/', import.meta.url);

export const typeDefs = readdirSync(folder)
  .filter((file) => file.endsWith('.graphql'))
  .sort()
  .map((file) => readFileSync(new URL(file, folder), 'utf8'));

export const views = joinViews(
  { Money: moneyView },
  personViews,
  accessLogViews,
  eligibilityViews,
  commissionerViews,
  planViews,
  budgetViews,
  ledgerViews,
  packageViews,
  reviewViews,
  decisionViews,
  spendingViews,
  statementViews,
  // A field of `Spend` is among them.
  evidenceViews,
  bulkViews,
  paymentViews,
  paymentRunViews,
  surplusViews,
  teamViews,
  returnViews,
  packageChangeViews,
  workViews,
  keptViews,
  confidentialityViews,
  intakeViews,
);

/** `keys` sign the cursors of lists; without them they are good for this process only. */
export function openCatalogue(keys?: CursorKeys) {
  const schema = makeExecutableSchema({
    typeDefs,
    resolvers: [
      scalars,
      intakeResolvers,
      personResolvers,
      eligibilityResolvers,
      decisionResolvers,
      planResolvers,
      budgetResolvers,
      reviewResolvers,
      evidenceResolvers,
      spendingResolvers,
      bulkResolvers,
      paymentResolvers,
      surplusResolvers,
      packageChangeResolvers,
      teamResolvers,
      returnResolvers,
      confidentialityResolvers,
      liveResolvers,
    ],
  });
  // What a scalar is stands in the SDL, whoever made its resolver.
  for (const type of Object.values(schema.getTypeMap())) {
    if (isScalarType(type)) type.description = type.astNode?.description?.value ?? type.description;
  }
  checkPolicy(schema);
  const executor = openExecutor({ schema, views }, keys);
  for (const field of Object.values(schema.getQueryType()!.getFields()))
    field.resolve = executor.resolveQuery;
  return { schema, executor };
}
