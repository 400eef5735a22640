import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Claims and budgets of the tests, apart from those of the user. */
const TAPELAKE_RUNTIME_DIR = mkdtempSync(join(tmpdir(), 'tapelake-tests-'))

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Most tests that take long wait for processes that they started.
    maxWorkers: 2,
    // Files leave nothing behind in their process; to load everything anew for each took a third of the time of the others.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { NO_PROXY: '127.0.0.1,localhost', TZ: 'America/New_York', TAPELAKE_RUNTIME_DIR },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/cli/main.ts'],
      reporter: ['text-summary', 'json-summary'],
      reportOnFailure: true,
      thresholds: { lines: 90, perFile: false },
    },
  },
})
