/** What the launcher tells the stack, one JSON line each on standard output. `role` is a role, or a realm's name. */
export type LauncherEvent<Name extends string = string> =
  | { event: 'started'; role: Name; pid: number; measurement: string }
  | { event: 'ready'; role: Name; pid: number; refused: string[]; allowed: string[] }
  | { event: 'ended'; role: Name; pid: number; code: number | null; signal: string | null }
  /** Nothing goes on before operators have done their part; `role` names a realm. */
  | { event: 'locked'; role?: Name; state: 'founding' | 'locked'; kind: 'password' | 'shares' }
  | { event: 'deployment'; deploymentId: string; founded: boolean }
  /** A realm runs, or was configured anew. Hexadecimal. */
  | { event: 'realm'; role: Name; realmId: string; publicKey: string; founded: boolean }
  /** `final`: starting the launcher again would end the same way. */
  | { event: 'fatal'; detail: string; hint: string; exitCode: number; final: boolean };

export type Report = (event: LauncherEvent) => void;

/** Standard output is read by the stack alone; when it is gone, standard input has closed as well. */
export const report: Report = (event) => {
  process.stdout.write(`${JSON.stringify(event)}\n`);
};
