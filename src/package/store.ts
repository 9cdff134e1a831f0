/** Writes the services people receive, and what they cost. */
import { type Apply, linkOfRow, ownOfRow, run, takeFromOldPerson, type Verdict } from '../person/store.ts';

const writeServices = `
with row as (
  select * from json_to_recordset($2::json) as t(
    n int, "externalId" text, "personId" text, "serviceType" text, component text, "deliveryMechanism" text,
    "providerName" text, "providerCqcLocationId" text, "from" date, "to" date, "unitCostPence" bigint,
    "costFrequency" text, "plannedUnitsPerWeek" numeric)
), known as (
  select row.*, l.id as link_id, l.person_id, coalesce(t.id, new_id()) as package_id
    from row${linkOfRow}${ownOfRow('package')}
), written as (
  insert into package as p (id, person_id, link_id, external_id, service_type, component, delivery_mechanism,
                            provider_name, provider_cqc_location_id, valid_from, valid_to)
  select package_id, person_id, link_id, "externalId", "serviceType", component, "deliveryMechanism", "providerName",
         "providerCqcLocationId", "from", "to"
    from known where link_id is not null
  on conflict (link_id, external_id) do update
     set service_type = excluded.service_type, component = excluded.component,
         delivery_mechanism = excluded.delivery_mechanism, provider_name = excluded.provider_name,
         provider_cqc_location_id = excluded.provider_cqc_location_id, valid_from = excluded.valid_from,
         valid_to = excluded.valid_to
   where (p.service_type, p.component, p.delivery_mechanism, p.provider_name, p.provider_cqc_location_id,
          p.valid_from, p.valid_to)
         is distinct from (excluded.service_type, excluded.component, excluded.delivery_mechanism,
                           excluded.provider_name, excluded.provider_cqc_location_id, excluded.valid_from,
                           excluded.valid_to)
), costed as (
  insert into service_line as x (package_id, person_id, position, unit_cost_pence, cost_frequency,
                                 planned_units_per_week)
  select package_id, person_id, 1, "unitCostPence", "costFrequency", "plannedUnitsPerWeek" from known
   where link_id is not null
  on conflict (package_id, person_id, position) do update
     set unit_cost_pence = excluded.unit_cost_pence, cost_frequency = excluded.cost_frequency,
         planned_units_per_week = excluded.planned_units_per_week
   where (x.unit_cost_pence, x.cost_frequency, x.planned_units_per_week)
         is distinct from (excluded.unit_cost_pence, excluded.cost_frequency, excluded.planned_units_per_week)
)
select n, person_id, case when link_id is null then 'PERSON_NOT_KNOWN_YET' end from known`;

export const applyServices: Apply = async (sql, source, rows) => {
  await takeFromOldPerson(sql, 'package', source, rows);
  return run<Verdict>(sql, 'write-services', writeServices, [source.id, rows]);
};
