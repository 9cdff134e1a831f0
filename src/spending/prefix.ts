/** The beginnings of global ids that this room makes or takes. */
export const spendPrefix = 'spd';
export const commitmentPrefix = 'cmt';
export const overspendPrefix = 'ovs';
export const statementPrefix = 'bst';
export const bankLinePrefix = 'bln';
/** Of a document of the person, such as a statement that was uploaded. */
export const evidencePrefix = 'evd';
