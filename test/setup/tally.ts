import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import { foundVariable } from './byproduct.ts';

/** Ends the run's output with one plain line, for machines: `12 passed, 0 failed, 1 skipped`. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    // A file that could not be loaded, a failed hook and an error outside of any test are failures too.
    const broken = modules.flatMap((module) =>
      [module, ...module.children.allSuites()].flatMap((suite) => suite.errors()),
    );
    const failed = count('failed') + broken.length + unhandledErrors.length;
    process.once('exit', () => {
      // What is personal in the by-products is known only after everything is down.
      const all = failed + Number(process.env[foundVariable] ?? 0);
      console.log(`${count('passed')} passed, ${all} failed, ${count('skipped')} skipped`);
    });
  }
}
