/** How a story is told: commands at the door of the API, each by whoever would give it. */
import type { PersonaName } from './persona.ts';

/** Sends an operation as one of the demo's people and gives its data. @throws when the API answers with errors */
export type Ask = (
  as: PersonaName,
  operation: string,
  variables: Record<string, unknown>,
) => Promise<Record<string, unknown>>;

/** What was asked for of the object that a payload shows. */
interface Shown {
  id: string;
  version: number;
  portions?: { id: string }[];
  instructions?: { nodes: { id: string; version: number }[] };
}

/**
 * Gives a command that must succeed. `selection` is what to show of its payload, such as `plan { id version }`.
 *
 * @throws when it is refused
 */
export type Give = (
  as: PersonaName,
  command: string,
  selection: string,
  input: Record<string, unknown>,
) => Promise<Shown>;

type Payload = Record<string, Shown> & { userErrors: { code: string; message: string }[] };

export const giver =
  (ask: Ask): Give =>
  async (as, command, selection, input) => {
    const type = `${command[0]!.toUpperCase()}${command.slice(1)}Input`;
    const data = await ask(
      as,
      `mutation ($input: ${type}!) { ${command}(input: $input) { ${selection} userErrors { code message } } }`,
      { input: { idempotencyKey: crypto.randomUUID(), ...input } },
    );
    const payload = data[command] as Payload;
    const [error] = payload.userErrors;
    if (error !== undefined) throw new Error(`${command}: ${error.code}: ${error.message}`);
    return payload[selection.split(' ')[0]!]!;
  };

export const gbp = (amount: string) => ({ amount });
