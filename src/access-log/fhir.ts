/**
 * An event of the audit as an `AuditEvent` of FHIR R4, in the slices of IHE's Basic Audit Log Patterns and of NHS
 * England's Patient Audit Record Service. It names people by the hub's ids alone; `docs/audit.md` has the mapping.
 */

export interface ExportedEvent {
  id: string;
  /** In UTC, to the millisecond. */
  at: string;
  requestId: string;
  correlationId: string | null;
  subject: string;
  name: string | null;
  role: string;
  organisation: string | null;
  organisationName: string | null;
  client: string | null;
  purpose: string | null;
  action: string;
  object: string;
  parts: string | null;
  outcome: string;
  reason: string | null;
  /** Global ids. */
  personIds: string[];
}

const terminology = (name: string) => `http://terminology.hl7.org/CodeSystem/${name}`;
const coding = (system: string, code: string, display?: string) => ({
  system,
  code,
  ...(display === undefined ? {} : { display }),
});

const own = (name: string) => `https://tandem.example/fhir/${name}`;
const balp = (name: string) => `https://profiles.ihe.net/ITI/BALP/${name}`;

/** C create, R read, U update, D delete, E execute; and how REST calls it. */
const interactions: Record<string, [action: string, interaction: string]> = {
  READ: ['R', 'read'],
  EXPORT: ['R', 'read'],
  BREAK_GLASS: ['E', 'operation'],
  CHANGE: ['U', 'update'],
  DENY: ['E', 'operation'],
  JOB: ['U', 'update'],
};

/** 0 is success, 4 a minor failure: what the caller can mend, or may not do. */
const outcomes: Record<string, string> = { REFUSED: '4', FAILED: '4' };

const purposes: Record<string, string> = {
  DIRECT_CARE: 'TREAT',
  COMMISSIONING: 'HPAYMT',
  OWN_CARE: 'PATRQT',
  OVERSIGHT: 'HCOMPL',
  OPERATION: 'HSYSADMIN',
};

/** Whether somebody acts for themself or for a person, and not as staff. */
const isPrivate = (role: string) => role === 'PERSON' || role === 'REPRESENTATIVE';

const identified = (type: string, system: string, value: string, display: string | null) => ({
  type,
  identifier: { system, value },
  ...(display === null ? {} : { display }),
});

function agents({ role, subject, name, organisation, organisationName, client, purpose }: ExportedEvent) {
  const code = purpose === null ? undefined : purposes[purpose];
  const purposeOfUse =
    purpose === null
      ? {}
      : {
          purposeOfUse: [
            code === undefined
              ? { text: purpose }
              : { coding: [coding(terminology('v3-ActReason'), code)], text: purpose },
          ],
        };
  return [
    {
      type: { coding: [coding(terminology('v3-ParticipationType'), 'IRCP', 'information recipient')] },
      role: [{ coding: [coding(own('CodeSystem/role'), role)] }],
      who: identified(isPrivate(role) ? 'RelatedPerson' : 'Practitioner', own('Id/subject'), subject, name),
      requestor: role !== 'SYSTEM',
      ...purposeOfUse,
    },
    ...(organisation === null
      ? []
      : [
          {
            who: identified(
              'Organization',
              'https://fhir.nhs.uk/Id/ods-organization-code',
              organisation,
              organisationName,
            ),
            requestor: false,
          },
        ]),
    {
      type: { coding: [coding('http://dicom.nema.org/resources/ontology/DCM', '110153', 'Source Role ID')] },
      who: identified('Endpoint', own('Id/client'), client ?? 'unknown', null),
      requestor: false,
    },
  ];
}

function entities(event: ExportedEvent) {
  const { personIds, requestId, correlationId, object, parts, reason, role } = event;
  const detail = [
    ...(parts ? [{ type: 'parts', valueString: parts }] : []),
    ...(reason === null ? [] : [{ type: 'reason', valueString: reason }]),
    ...(correlationId === null ? [] : [{ type: 'correlationIdentifier', valueString: correlationId }]),
    ...(role === 'REPRESENTATIVE' ? personIds.map((id) => ({ type: 'onBehalfOf', valueString: id })) : []),
    { type: 'interactionIdentifier', valueString: event.action },
  ];
  return [
    ...personIds.map((id) => ({
      what: identified('Patient', own('Id/person'), id, null),
      type: coding(terminology('audit-entity-type'), '1', 'Person'),
      role: coding(terminology('object-role'), '1', 'Patient'),
    })),
    {
      what: { identifier: { system: 'https://fhir.nhs.uk/Id/transaction', value: requestId } },
      type: coding(balp('CodeSystem/BasicAuditEntityType'), 'XrequestId'),
    },
    {
      what: { display: object },
      type: coding(terminology('audit-entity-type'), '2', 'System Object'),
      role: coding(terminology('object-role'), '4', 'Domain Resource'),
      name: object,
      detail,
    },
  ];
}

export function fhirOf(event: ExportedEvent): object {
  const [action, interaction] = interactions[event.action] ?? ['E', 'operation'];
  const profile = event.personIds.length > 0 ? (action === 'R' ? 'PatientRead' : 'PatientUpdate') : null;
  return {
    resourceType: 'AuditEvent',
    id: event.id,
    ...(profile === null
      ? {}
      : { meta: { profile: [balp(`StructureDefinition/IHE.BasicAudit.${profile}`)] } }),
    type: coding(terminology('audit-event-type'), 'rest', 'RESTful Operation'),
    subtype: [coding('http://hl7.org/fhir/restful-interaction', interaction)],
    action,
    recorded: event.at,
    outcome: outcomes[event.outcome] ?? '0',
    outcomeDesc: event.outcome,
    agent: agents(event),
    source: {
      site: 'tandem',
      observer: identified('Device', own('Id/system'), 'tandem', 'Tandem'),
      type: [coding(terminology('security-source-type'), '4', 'Application Server')],
    },
    entity: entities(event),
  };
}
