/**
 * Every limit of the API in one place: what a document may look like, how much an operation may ask for, and how much
 * may be asked in a minute. Where a request passes one, the answer names the limit and what was asked.
 */

export interface Limits {
  /** Of a document, before it is parsed further. */
  maxTokens: number;
  /** Fields inside fields. */
  maxDepth: number;
  /** Fields selected, each fragment counted where it is spread. */
  maxFields: number;
  /** Aliases among them. */
  maxAliases: number;
  /** Directives on them, and on the fragments. */
  maxDirectives: number;
  /** Fields that repeat the response key of another in the same braces. GraphQL compares each with each. */
  maxRepeated: number;
  /** Points one operation may ask for: see `cost.ts`. */
  maxCost: number;
  /** Points of a subject and its client application together, counted over all processes. */
  pointsPerMinute: number;
  /** People looked up by NHS number, by the same: finding out who is known must take long. */
  lookupsPerMinute: number;
  /** Of a whole request, from its head to its answer. */
  deadlineMs: number;
}

export const usualLimits: Limits = {
  maxTokens: 5_000,
  maxDepth: 20,
  maxFields: 4_000,
  maxAliases: 200,
  maxDirectives: 100,
  maxRepeated: 100,
  maxCost: 50_000,
  pointsPerMinute: 120_000,
  lookupsPerMinute: 60,
  deadlineMs: 10_000,
};

/** Nothing that a client needs to send is larger; files have a way of their own. */
export const maxBodyBytes = 256 * 1024;

/** What a process may give out of itself while the store of the counts does not answer, as a part of the limit. */
export const localShare = 0.1;

/** What a process takes from the store at a time, as a part of the limit: so much may lie unused in it. */
export const blockShare = 0.02;

/** What a command costs beside the objects of its answer: its work is not in them. */
export const commandPoints = 10;
/** What asking for the schema costs, however much of it. */
export const introspectionPoints = 500;

/** How many things a list without `first` holds, where nothing below says so. */
export const usualListSize = 10;

/**
 * How many things such a list holds at most in all but a few records. A longer one costs what it holds: the difference
 * is charged after.
 */
export const listSizes: Record<string, number> = {
  'Person.identifiers': 4,
  'Person.sources': 4,
  'Person.differences': 6,
  'Person.budgets': 5,
  'Person.packages': 6,
  'Person.plans': 5,
  'Person.eligibilities': 4,
  'Budget.payeeAccounts': 4,
  'Budget.parts': 3,
  'Budget.fundingLines': 6,
  'Budget.fundingSplits': 3,
  'Budget.portions': 4,
  'Budget.balances': 5,
  'Budget.signOffs': 4,
  'Budget.awaitingSignOff': 3,
  'Budget.warnings': 4,
  'CombinedBudget.byFunder': 6,
  'FundingSplit.shares': 4,
  'Package.lines': 4,
  'Plan.signOffs': 4,
  'Organisation.successors': 2,
};
