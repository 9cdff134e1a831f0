/** When a person or their representative must sign in again: before money moves, if the last time is long ago or was weak. */
import { Fault } from '../platform/fault.ts';
import type { CommandName } from './table.ts';
import type { Viewer } from './viewer.ts';

/** What somebody who finds an open session could do harm with. */
const commands = new Set<CommandName>([
  'recordSpend',
  'correctSpend',
  'undoSpend',
  'refundSpend',
  'commitMoney',
  'releaseCommitment',
  'importStatement',
  'matchBankLine',
  'setAsideBankLine',
  'releaseBankLine',
  'sendReturn',
]);

const stepUpMinutes = 30;

/**
 * True where they must sign in again before this command. A sign-in whose time the token does not tell counts as long
 * ago; one whose assurance it does not tell is as good as the issuer.
 */
export function needsStepUp(
  command: CommandName,
  { role, signedInAt, assurance }: Pick<Viewer, 'role' | 'signedInAt' | 'assurance'>,
  now: Date,
  minutes: number = stepUpMinutes,
): boolean {
  if ((role !== 'PERSON' && role !== 'REPRESENTATIVE') || !commands.has(command)) return false;
  if (assurance !== null && assurance !== 'HIGH') return true;
  return signedInAt === null || now.getTime() - signedInAt.getTime() > minutes * 60_000;
}

export const stepUpRequired = () =>
  new Fault('STEP_UP_REQUIRED', 'Sign in again, with both steps, before you do this with money.');
