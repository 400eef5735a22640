import { EXIT } from '../core/errors.ts'

/** What each exit code means; `tapelake help exit-codes` and docs/exit-codes.md show this table. */
export const EXIT_CODES: readonly { readonly code: number; readonly meaning: string }[] = [
  { code: EXIT.ok, meaning: 'done' },
  { code: EXIT.failed, meaning: 'failed; the message says at what' },
  {
    code: EXIT.usage,
    meaning: 'usage or configuration: a flag, an argument, a config file, the wrong data directory',
  },
  { code: EXIT.partial, meaning: 'partly done; the ledger names the holes, running it again fills them' },
  { code: EXIT.auth, meaning: 'the API key is missing or wrong, or the plan does not cover the data' },
  { code: EXIT.quality, meaning: 'a quality gate was not met' },
  { code: EXIT.locked, meaning: 'another run holds the same series' },
  { code: EXIT.budget, meaning: 'the budget of calls is spent; running it again goes on' },
  { code: EXIT.sigint, meaning: 'interrupted by Ctrl-C (SIGINT); what was committed stays' },
  { code: EXIT.sigterm, meaning: 'interrupted by SIGTERM, or a closed terminal; what was committed stays' },
]

/** The table as text for a terminal. */
export function exitCodesText(): string {
  const lines = EXIT_CODES.map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`)
  return ['Exit codes of tapelake:', '', ...lines, ''].join('\n')
}
