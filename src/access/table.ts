/**
 * The one policy table: which parts a record has, who may read each, and who may give which command. Whom somebody may
 * see at all is decided per person, by relation, in `policy.ts`; what of that person's record they see is decided here.
 * What has no row here is refused: the hub does not start with a field or a command that this table does not name.
 *
 * `docs/access.md` is made of this file.
 */
import { type ViewerRole, viewerRoles } from './viewer.ts';

/** A viewer in their role, or somebody of a care team who has opened a record in an emergency. */
export type Kind = ViewerRole | 'EMERGENCY';
export const kinds: readonly Kind[] = [...viewerRoles, 'EMERGENCY'];

/** The authority that a part asks of a representative: over care, over money, or any. */
type Authority = 'CARE' | 'MONEY' | 'ANY';

/** What a person can keep from the other side: a side's care, or a side's money. */
export type SharedPart = 'CARE' | 'MONEY';

interface Readers {
  /** In plain words, for the page. */
  says: string;
  kinds: readonly Kind[];
  /** Of a representative, where they are among the kinds. */
  authority: Authority;
  /** The choice by which a person may keep it from the other side, where they can. */
  choice: SharedPart | null;
  /** Of providers, those alone that operate an account of the person's. */
  byOperator?: true;
  /** Of providers, those alone that operated one, and must keep what that left. */
  afterwards?: true;
}

const careTeam = ['CARE_COORDINATOR', 'SOCIAL_WORKER'] as const;
const commissioners = [...careTeam, 'FINANCE'] as const;
const family = ['PERSON', 'REPRESENTATIVE'] as const;
/** Who spends a person's money, or accounts for it. */
const payers = [...commissioners, 'PROVIDER', 'PROVIDER_FINANCE', ...family] as const;
/** Who says what is to be bought, and for whom: of a provider, its administrators. */
const deciders = [...commissioners, 'PROVIDER', ...family] as const;
/** Who employs personal assistants, or does for them what employers do. */
const employers = ['PROVIDER', ...family] as const;
/** Who sees to it that somebody comes. */
const planners = [...employers, 'PROVIDER_WORKER'] as const;
/** Who runs the hub, or feeds it. */
const operators = [...commissioners, 'AUDITOR', 'PRIVACY_OFFICER', 'ADMIN'] as const;
/** Who sends rows of many people at once. */
const senders = ['PROVIDER', 'PROVIDER_FINANCE', 'FINANCE'] as const;
const everybody = [...payers, 'PROVIDER_WORKER', 'AUDITOR', 'PRIVACY_OFFICER', 'ADMIN', 'EMERGENCY'] as const;

export const parts = {
  OPEN: {
    says: 'What is about nobody: organisations, what they have published, amounts of money as such, oneself.',
    kinds: everybody,
    authority: 'ANY',
    choice: null,
  },
  RUNS: {
    says: 'How the hub is fed: the source systems, their runs, and the rows that wait. Holds no personal data.',
    kinds: operators,
    authority: 'ANY',
    choice: null,
  },
  IDENTITY: {
    says: 'Who somebody is: names, numbers, dates of birth and death, which systems know them.',
    kinds: [...payers, 'PROVIDER_WORKER', 'EMERGENCY'],
    authority: 'ANY',
    choice: null,
  },
  ADDRESS: {
    says: 'Where somebody lives.',
    kinds: [...careTeam, ...planners, 'EMERGENCY'],
    authority: 'ANY',
    choice: null,
  },
  PEOPLE: {
    says: 'Who stands by them: representatives, carers, the organisations with a role.',
    kinds: [...careTeam, ...planners, 'EMERGENCY'],
    authority: 'ANY',
    choice: null,
  },
  SUPPORT: {
    says: 'The support that was arranged: the lines of the plan and their cost, packages of care, which reviews are due.',
    kinds: [...payers, 'PROVIDER_WORKER', 'EMERGENCY'],
    authority: 'ANY',
    choice: 'CARE',
  },
  TEAM: {
    says: 'Who works for them: personal assistants, which of their papers were seen, what clinicians let them do, who comes when and who came.',
    kinds: [...careTeam, ...planners, 'PROVIDER_FINANCE'],
    authority: 'ANY',
    choice: 'CARE',
    byOperator: true,
  },
  WAGES: {
    says: 'On what terms their personal assistants work, their pay, and why one is away.',
    kinds: [...careTeam, ...employers, 'PROVIDER_FINANCE'],
    authority: 'MONEY',
    choice: 'MONEY',
    byOperator: true,
  },
  CARE: {
    says: 'Why it was arranged: what matters, needs, outcomes, risks, concerns, agreement, reviews held and contacts.',
    kinds: [...careTeam, ...family, 'EMERGENCY'],
    authority: 'CARE',
    choice: 'CARE',
  },
  DECISION: {
    says: 'What was decided and on what ground: eligibility, decisions, reconsideration.',
    kinds: [...commissioners, ...family],
    authority: 'ANY',
    choice: 'CARE',
  },
  MONEY: {
    says: 'The budgets, and every pound paid in, spent and left, with what proves it.',
    kinds: payers,
    authority: 'MONEY',
    choice: 'MONEY',
  },
  FUNDING: {
    says: 'How the funders share the cost.',
    kinds: [...commissioners, ...family],
    authority: 'MONEY',
    choice: 'MONEY',
  },
  BANK: {
    says: 'The bank accounts that money is paid into.',
    kinds: [...commissioners, ...family],
    authority: 'MONEY',
    choice: 'MONEY',
  },
  PAYMENT_RUN: {
    says: 'The files that go to the bank.',
    kinds: ['FINANCE'],
    authority: 'MONEY',
    choice: null,
  },
  BULK: {
    says: 'The files of rows for many people that an organisation sent, for that organisation alone.',
    kinds: senders,
    authority: 'MONEY',
    choice: null,
  },
  WORK: {
    says: 'What an organisation has to do for the people whose accounts it operates, each item for who reads what it is about.',
    kinds: [...payers, 'PROVIDER_WORKER'],
    authority: 'MONEY',
    choice: 'MONEY',
  },
  KEPT: {
    says: 'What was bought from an account, what proves it and who was paid, for the organisation that operated it and no longer does: of its own time, for as long as it must keep that.',
    kinds: ['PROVIDER', 'PROVIDER_FINANCE'],
    authority: 'MONEY',
    choice: null,
    afterwards: true,
  },
  CONFIDENTIALITY: {
    says: 'What the person chose to share, and who opened the record in an emergency.',
    kinds: [...careTeam, ...family],
    authority: 'ANY',
    choice: null,
  },
  ACCESS_LOG: {
    says: 'Who looked at the record or changed it, and why.',
    kinds: family,
    authority: 'CARE',
    choice: null,
  },
  OVERSIGHT: {
    says: 'The audit of everything, which names people by id alone, and the records that were opened in an emergency, without the person.',
    kinds: ['PRIVACY_OFFICER', 'AUDITOR'],
    authority: 'ANY',
    choice: null,
  },
} as const satisfies Record<string, Readers>;

export type Part = keyof typeof parts;

/**
 * For each type, in which part each of its fields is. A type found by its id is in the part of that id. Pages, payloads
 * and what a command says it did are as open as what they hold.
 */
export const fields: Record<string, Partial<Record<Part, string>>> = {
  Query: {
    OPEN: 'me node organisation',
    MONEY: 'paymentInstructions returnsToLookAt spendsToLookAt unmatchedBankLines',
    WORK: 'workList managedPackages',
    KEPT: 'keptRecords',
    PAYMENT_RUN: 'paymentRuns',
    BULK: 'bulkFiles',
    IDENTITY: 'person caseload emergencyRecord',
    OVERSIGHT: 'emergencyAccesses auditEvents',
    RUNS: 'syncRuns waitingRows',
  },
  AccessLogEntry: { ACCESS_LOG: 'at who what why organisation action' },
  AuditEvent: {
    OVERSIGHT:
      'number at requestId correlationId subject role organisation client purpose action object parts outcome reason personIds onBehalfOf',
  },
  Withheld: { IDENTITY: 'part side reason' },
  SharingChoice: {
    CONFIDENTIALITY: 'id side part shares legalBasis words saidBy recordedByOrganisation recordedAt from to',
  },
  EmergencyAccess: {
    CONFIDENTIALITY: 'id openedBy organisation role reason words openedAt closesAt',
  },
  EmergencyNotice: {
    OVERSIGHT: 'id openedBy organisation role reason words openedAt closesAt reviewedAt reviewWords',
  },
  OverspendAgreement: { MONEY: 'id budget source amount until reason agreedBy recordedAt' },
  Viewer: { OPEN: 'name role organisation' },
  Money: { OPEN: 'amount currency formatted' },
  Budget: {
    MONEY:
      'id kind status from to agreed indicative version keptBy partOf parts fundingLines portions portionHistory signOffs awaitingSignOff warnings spentByCategory statement balances reportedBalance transfers paymentSchedules spends commitments surplus forecast reclaims overspendAgreements',
    FUNDING: 'fundingSplits statementS26',
    BANK: 'payeeAccounts',
  },
  FundingLine: { MONEY: 'id source stream organisation amount from to sharePercent lineKey' },
  FundingSplit: { FUNDING: 'id basis status panel decidedOn reviewDueOn from to note shares' },
  Portion: {
    MONEY:
      'id budget management recurring amount channel accountOperator duties from to reason replaces replacedBy balances',
  },
  PortionDuties: { MONEY: 'fundsHolder accountOperator legalEmployer purchaseDecider' },
  Duty: { MONEY: 'holder organisation' },
  BudgetSignOff: { MONEY: 'organisation name signedAt' },
  StatementS26: { FUNDING: 'costToCouncil adultPays councilPays otherPublicMoney topUps' },
  OtherPublicMoney: { FUNDING: 'source organisationCode organisationName amount' },
  BudgetWarning: { MONEY: 'code message' },
  CommissionerPolicy: {
    OPEN: 'saidBy source from to paymentFrequency inAdvanceDays grossOrNet contingencyWeeks surplusThresholdWeeks surplusHoldMaxWeeks repayWithinDays returnFrequency evidenceDueDays firstReviewWeeks reviewMaxMonths recordRetentionYears exclusionListId exclusions citation approvalThreshold accountCoolingOffDays changeLimitPercent changeDecider',
  },
  Exclusion: { OPEN: 'what citation' },
  Authorisation: { OPEN: 'activity from to grantedBy' },
  Reconsideration: { DECISION: 'requestedAt requestedBy words outcome decidedOn reasons' },
  Decision: {
    DECISION:
      'id kind organisation decidedOn what reasons amount reconsiderUnder mayAskForReconsideration reconsideration appealRoute version',
    MONEY: 'budget',
    SUPPORT: 'plan',
  },
  Eligibility: {
    DECISION: 'id scheme status decidedOn decidedBy reviewer reviewDueOn from to source version',
  },
  SatisfiedRequirement: { MONEY: 'commissioner requirement' },
  Evidence: {
    MONEY: 'id kind fileName mediaType sizeBytes sha256 dated scan recordedAt downloadUrl satisfies',
  },
  LedgerTransfer: {
    MONEY: 'id kind source amount effectiveOn recordedAt description isReversal reverses category',
  },
  SourceBalance: { MONEY: 'source allocated paidIn spent committed left' },
  ReportedBalance: { MONEY: 'amount asAt' },
  CombinedBudget: { MONEY: 'agreed paidIn spent committed left byFunder' },
  FunderTotal: { MONEY: 'source organisation agreed paidIn spent committed left' },
  CategoryTotal: { MONEY: 'category spent' },
  Statement: { MONEY: 'from to knownAt total bySource transfers' },
  SourceStatement: { MONEY: 'source figures' },
  StatementFigures: { MONEY: 'opening paidIn refunded spent repaid closing committed' },
  Change: { IDENTITY: 'id topic at person' },
  Package: {
    SUPPORT: 'id serviceType component deliveryMechanism providerName providerCqcLocationId from to lines',
  },
  ServiceLine: { SUPPORT: 'unitCost costFrequency plannedUnitsPerWeek' },
  PaymentRate: { MONEY: 'from amount contribution' },
  PaymentSchedule: {
    MONEY:
      'id budget portion source organisation frequency payWhen inAdvanceDays grossOrNet status from to suspendedFrom raisedTo rates toRecover instructions version',
  },
  PaymentPart: { MONEY: 'from to days weekly weeklyContribution amount' },
  PaymentInstruction: {
    MONEY:
      'id schedule person organisation from to effect pricing amount contribution parts dueOn status heldFor approvedAt version',
    PAYMENT_RUN: 'run',
  },
  PaymentRun: { PAYMENT_RUN: 'id organisation dueOn count amount unconfirmed createdAt instructions file' },
  BulkFile: {
    BULK: 'id organisation kind format fileName status rows good bad applied unchanged amount errorCode error sentAt finishedAt problems badRowsUrl',
  },
  BulkFileChange: { BULK: 'id file' },
  BulkProblem: { BULK: 'number code message' },
  PayeeAccount: { BANK: 'id portion accountName sortCode accountNumber usableFrom status' },
  Person: {
    ACCESS_LOG: 'accessLog',
    CONFIDENTIALITY: 'sharingChoices emergencyAccesses',
    IDENTITY:
      'id familyName givenName birthDate deathDate gender restricted identifiers sources differences withheld',
    ADDRESS: 'postcode',
    PEOPLE: 'people',
    MONEY: 'budgets evidence statement combined returns bankStatements',
    DECISION: 'decisions eligibilities',
    SUPPORT: 'packages plan plans nextReviews',
    CARE: 'reviews contacts',
    TEAM: 'team delegatedTasks rotas',
    WAGES: 'payPeriod',
  },
  Identifier: { IDENTITY: 'system value issuer status' },
  PersonSource: { IDENTITY: 'id side availability asAt system organisation matchedBy' },
  Difference: { IDENTITY: 'id field nhs council since' },
  RoleOnRecord: { PEOPLE: 'id suspendedAt role organisation individualName relationship from to' },
  Organisation: { OPEN: 'code name kind from to successors policy authorisations' },
  Plan: {
    SUPPORT:
      'id number version status origin title coordinatorName coordinatorOrganisation reviewOn from to proposedAt agreedAt supersedes lines cost warnings',
    CARE: 'aboutMe whatMatters strengths needs outcomes actions contingencies risks training assets documents legal concerns signOffs missingSignatures representativesDisagree changes',
  },
  PlanStrength: { CARE: 'what' },
  PlanAction: { CARE: 'what who dueOn' },
  PlanContingency: { CARE: 'what steps who' },
  PlanRisk: { CARE: 'kind what procedure agreedWith' },
  PlanTraining: { CARE: 'what who dueOn' },
  PlanAsset: { CARE: 'kind what who' },
  PlanDocument: { CARE: 'title keptAt dated' },
  PlanLegalInformation: { CARE: 'kind what who dated keptAt' },
  Need: { CARE: 'key text scheme' },
  Outcome: { CARE: 'id key text status targetOn' },
  PlanLine: {
    SUPPORT:
      'key kind what providerName quantity unitCost frequency weeklyCost yearlyCost source packageChanges',
    CARE: 'outcomes needs reason',
    MONEY: 'portion',
  },
  PackageChange: {
    SUPPORT:
      'id plan lineKey kind quantity unitCost frequency providerName weeklyCost plannedWeeklyCost from to reason status draftedBy organisation recordedAt submittedAt agreedAt refusedAt refusedBy refusal agreements version',
    MONEY: 'effect',
  },
  PackageChangeAgreement: { SUPPORT: 'organisation decider agreedBy agreedAt' },
  PackageChangeEffect: { MONEY: 'until extraCost leftBefore leftAfter' },
  PlanCost: { SUPPORT: 'weekly yearly once' },
  PlanWarning: { SUPPORT: 'code message lineKey' },
  Concern: { CARE: 'id lineKey text raisedBy raisedAt answer answeredBy answeredAt' },
  SignOff: { CARE: 'party agrees tests words name organisation actingAs planVersion signedAt withdrawnAt' },
  PlanChange: { CARE: 'version what role organisation at' },
  FinancialReturn: {
    MONEY:
      'id person from to dueOn status sentAt statement receivers queries missingEvidence hasChangedSinceSent changedSinceSent version',
  },
  ReturnReceiver: { MONEY: 'organisation sources openQueries acceptedAt' },
  ReturnQuery: { MONEY: 'id organisation transfer text askedAt answer answeredAt' },
  MissingEvidence: {
    MONEY: 'organisationCode organisationName requirement satisfiedBy dueOn spendId spentOn what amount',
  },
  Review: { CARE: 'id kind duties side source startedOn heldOn reason method outcome outcomesAchieved' },
  Contact: { CARE: 'id kind type startedOn endedOn outcome' },
  DueReview: { SUPPORT: 'duty dueOn opensOn overdue lastHeldOn because rule basis' },
  ProposedJointReview: { SUPPORT: 'on notAfter duties leftOut because' },
  NextReviews: { SUPPORT: 'duties joint apart' },
  SpendFinding: { MONEY: 'code source exclusion citation' },
  SpendShare: { MONEY: 'source amount' },
  Spend: {
    MONEY:
      'id budget portion lineKey category amount refunded paidBy spentOn payee what state findings words externalRef recordedAt transfers bankLine version evidence',
  },
  Commitment: { MONEY: 'id what since amount left transfers' },
  BankStatement: {
    MONEY:
      'id budget portion format fileName importedAt opening closing ledgerClosing difference matched unmatched setAside lines evidence moneyIn moneyOut',
  },
  BankLine: { MONEY: 'id statement bookedOn amount party reference state note spend transfer' },
  SourceSurplus: {
    MONEY:
      'source organisationCode organisationName balance surplus committed weekly weeklyFrom weeks thresholdWeeks reclaimable citation',
  },
  BudgetForecast: {
    MONEY: 'left weeklyIn weeklyOut weeklyOutFrom runsOutOn endsOn leftAtEnd weeksAtEnd alerts',
  },
  Reclaim: {
    MONEY:
      'id budget source organisation ground law reasons amount noticeOn payBy payer status reconsiderUnder mayAskForReconsideration appealRoute reconsiderationWords reconsiderationReasons repayments version repaid outstanding',
  },
  Worker: {
    TEAM: 'id name employer documents competencies absences timesheets version',
    WAGES: 'birthDate payrollRef contracts',
    MONEY: 'portion',
  },
  Contract: {
    WAGES:
      'number from to minutesPerWeek hourlyRate payFrequency lineKey irregularHours pensionEnrolled warnings',
  },
  WorkerDocument: { TEAM: 'kind seenOn expiresOn', MONEY: 'evidence' },
  DelegatedTask: { TEAM: 'id what instructions delegatedBy recordedAt competencies' },
  Competency: { TEAM: 'worker task clinician signedOffOn expiresOn withdrawnOn' },
  RotaWeek: { TEAM: 'id weekBegins shifts version' },
  Shift: { TEAM: 'day starts ends minutes task worker doneBy fromContingency delegatedTasks warnings' },
  Absence: { TEAM: 'id worker from to cover fromContingency cancelledAt', WAGES: 'kind' },
  Timesheet: { TEAM: 'id worker weekBegins days worked planned version' },
  TimesheetDay: { TEAM: 'day worked planned difference' },
  PayPeriod: { WAGES: 'from to frequency workers gross employerCosts employmentAllowance' },
  WorkerPay: {
    WAGES:
      'workerId name payrollRef lines gross employerNationalInsurance employerPension holidayAccruedMinutes warnings',
  },
  PayLine: { WAGES: 'element lineKey minutes hourlyRate amount' },
  SourceSystem: { RUNS: 'id code name side organisation' },
  SyncRun: {
    RUNS: 'id source status startedAt finishedAt feed expected received created changed unchanged waiting errorCode error',
  },
  WorkItem: {
    WORK: 'kind dueOn overdue person',
    MONEY: 'financialReturn query statement spend',
    SUPPORT: 'plan change',
    TEAM: 'competency document',
  },
  ManagedPackage: { WORK: 'person openWork nextDueOn', MONEY: 'portions', SUPPORT: 'lines' },
  KeptRecord: {
    KEPT: 'id personId identifiers budgetKind management from to keepUntil spends transfers statements workers',
  },
  KeptSpend: {
    KEPT: 'id category amount refunded paidBy spentOn payee what state externalRef recordedAt evidence',
  },
  KeptEvidence: { KEPT: 'id kind fileName mediaType sha256 dated downloadUrl' },
  KeptStatement: { KEPT: 'id fileName opening closing evidence lines' },
  KeptBankLine: { KEPT: 'bookedOn amount party reference state note' },
  KeptWorker: { KEPT: 'id name payrollRef contracts weeks' },
  KeptContract: { KEPT: 'number from to minutesPerWeek hourlyRate payFrequency' },
  KeptWeek: { KEPT: 'weekBegins worked' },
  WaitingRow: { RUNS: 'source place code field found advice receivedAt' },
};

/**
 * Who may give which command. Whom it may concern is asked of `maySeePerson`; for which side somebody speaks follows
 * from the organisation they act for.
 */
export const commands = {
  // Asking a source for news costs it work, and shows nothing.
  requestSync: [...operators],

  // What the person lets the other side see is theirs to say; who hears it writes it down.
  recordSharingChoice: [...careTeam, ...family],
  openEmergencyAccess: careTeam,
  reviewEmergencyAccess: ['PRIVACY_OFFICER'],
  // What ends here ends at once, whatever a source or a token still says.
  suspendRole: careTeam,
  resumeRole: careTeam,
  endEmployment: ['PRIVACY_OFFICER', 'ADMIN'],
  restoreEmployment: ['PRIVACY_OFFICER', 'ADMIN'],

  // Whether two records are one person is for somebody who knows them to decide.
  mergePeople: careTeam,
  unmergePeople: careTeam,

  draftPlan: careTeam,
  editPlan: careTeam,
  proposePlan: careTeam,
  discardPlan: careTeam,
  agreePlan: [...careTeam, ...family],
  declinePlan: [...careTeam, ...family],
  raiseConcern: careTeam,
  answerConcern: careTeam,

  recordEligibility: careTeam,
  endEligibility: careTeam,

  proposeBudget: commissioners,
  reviseBudget: commissioners,
  signOffBudget: commissioners,
  releaseBudget: commissioners,
  suspendBudget: commissioners,
  endBudget: commissioners,
  decideFundingSplit: commissioners,
  changePortionManagement: careTeam,

  holdReview: careTeam,

  recordDecision: commissioners,
  requestReconsideration: [...careTeam, ...family],
  decideReconsideration: commissioners,

  addWorker: employers,
  correctWorker: employers,
  setContract: employers,
  endContract: employers,
  recordWorkerDocument: employers,
  planWeek: planners,
  recordAbsence: planners,
  cancelAbsence: planners,
  recordHours: [...planners, 'PROVIDER_FINANCE'],
  // What a personal assistant may do of what is a nurse's to do, clinicians say.
  delegateTask: careTeam,
  signOffCompetency: careTeam,
  withdrawCompetency: careTeam,

  requestEvidenceUpload: payers,
  attachEvidence: payers,
  detachEvidence: payers,

  recordSpend: payers,
  correctSpend: payers,
  undoSpend: payers,
  refundSpend: payers,
  commitMoney: payers,
  releaseCommitment: payers,
  importStatement: payers,
  // A file of many people's rows; which of them the sender pays for is asked of each.
  requestBulkUpload: senders,
  importBulkFile: senders,
  applyBulkFile: senders,
  matchBankLine: payers,
  setAsideBankLine: payers,
  releaseBankLine: payers,
  // Who manages a package says what is to change; the funders agree, and the family may refuse whatever was agreed.
  draftPackageChange: deciders,
  submitPackageChange: deciders,
  withdrawPackageChange: deciders,
  agreePackageChange: commissioners,
  refusePackageChange: [...commissioners, ...family],
  // For whose money it is, which is not always who spends it.
  acceptSpend: commissioners,
  agreeOverspend: commissioners,
  refuseSpend: commissioners,
  moveBetweenPortions: commissioners,

  // Who sets or holds a payment is one of those who commission; who lets money go is finance alone.
  setPaymentSchedule: commissioners,
  changePaymentRate: commissioners,
  suspendPayments: commissioners,
  resumePayments: commissioners,
  endPayments: commissioners,
  setPayeeAccount: commissioners,
  holdPayment: commissioners,
  approvePayeeAccount: ['FINANCE'],
  approvePayments: ['FINANCE'],
  unholdPayment: ['FINANCE'],
  createPaymentRun: ['FINANCE'],
  confirmPayments: ['FINANCE'],
  failPayments: ['FINANCE'],
  reversePayment: ['FINANCE'],

  noticeReclaim: commissioners,
  // Of a provider: as the person instructs it.
  requestReclaimReconsideration: employers,
  decideReclaimReconsideration: commissioners,
  recordRepayment: commissioners,

  openReturn: commissioners,
  sendReturn: ['PROVIDER', 'PROVIDER_FINANCE', ...family],
  queryReturnLine: commissioners,
  answerReturnQuery: ['PROVIDER', 'PROVIDER_FINANCE', ...family],
  acceptReturn: commissioners,
} satisfies Record<string, readonly ViewerRole[]>;

export type CommandName = keyof typeof commands;
