/** How packages of care are read. */
import { children, column, money, ofPerson, personView, type Views, value } from '../read/view.ts';

export const packageViews: Views = {
  Person: { fields: { packages: ofPerson('Package', 'package', 'valid_from desc, id') } },
  Package: personView(
    {
      serviceType: column('service_type'),
      component: column('component'),
      deliveryMechanism: column('delivery_mechanism'),
      providerName: column('provider_name'),
      providerCqcLocationId: column('provider_cqc_location_id'),
      from: column('valid_from'),
      to: column('valid_to'),
      lines: children('ServiceLine', 'service_line', 'package_id', 'position'),
    },
    { prefix: 'pkg', table: 'package', side: 'LINK' },
  ),
  ServiceLine: personView({
    unitCost: money('unit_cost_pence'),
    costFrequency: column('cost_frequency'),
    plannedUnitsPerWeek: value(({ parent }) => `${parent}.planned_units_per_week::text`),
  }),
};
