/** `checkNever` beside an independent solver (z3), on questions by seed. */
import { checkNever } from '@keystead/policy/never';
import { init } from 'z3-solver';
import { questionOf, Random } from './generate.ts';
import { assertReplays } from './replay.ts';
import { smtOf } from './smt-model.ts';

/** Elements of each list in the worlds about which both are asked: most are small, for the solver's sake. */
const largestListOf = (seed: number): number => (seed % 10 === 0 ? 3 : 2);

const questionsOfContext = 200;

export interface Agreement {
  readonly proven: number;
  readonly counterexamples: number;
}

/**
 * Throws an Error that names the seed as soon as the two answers differ, one of them has none, or a counterexample is not allowed
 * when it is replayed. The solver is called
 * synchronously: its own bindings run every check in a thread of its own, whose end they sometimes miss.
 */
export async function agreementOn(firstSeed: number, cases: number): Promise<Agreement> {
  const { Context, setParam, em } = await init();
  const check = (em as { _Z3_solver_check(context: unknown, solver: unknown): number })._Z3_solver_check;
  // The older arithmetic decides these formulas in two thirds of the time.
  setParam('auto_config', false);
  setParam('smt.arith.solver', 2);
  const named = (name: string) => Context(name);
  let context = named('questions');
  const seen = { proven: 0, counterexamples: 0 };
  for (let seed = firstSeed; seed < firstSeed + cases; seed += 1) {
    // A context that has answered thousands of questions has been seen to lose assertions.
    if ((seed - firstSeed) % questionsOfContext === 0) context = named(`questions-${seed}`);
    const { document, never } = questionOf(new Random(seed));
    const largestList = largestListOf(seed);
    const answered = checkNever(document, never, { largestList });
    const { result } = answered;
    const text = smtOf(document, never, largestList);
    const solver = new context.Solver();
    solver.fromString(text);
    if (solver.assertions().length() !== text.split('\n(assert ').length - 1)
      throw new Error(`seed ${seed}: z3 did not take the question whole`);
    const answer = check(context.ptr, solver.ptr);
    if (result === 'proven' && answer === isUnsatisfiable) seen.proven += 1;
    else if (answered.result === 'counterexample' && answer === isSatisfiable) {
      assertReplays(document, never, answered.receipt, `seed ${seed}`);
      seen.counterexamples += 1;
    } else throw new Error(`seed ${seed}: checkNever says ${result}, z3 says ${answer}`);
    solver.release();
  }
  return seen;
}

/** Z3_lbool; 0 is neither. */
const isSatisfiable = 1;
const isUnsatisfiable = -1;
