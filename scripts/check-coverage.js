// Holds the floor under every single file; the floor under the whole is vitest's own (vitest.config.ts).
import { readFileSync } from 'node:fs'

const FLOOR = 70
const summary = JSON.parse(
  readFileSync(new URL('../coverage/coverage-summary.json', import.meta.url), 'utf8'),
)
const low = Object.entries(summary).filter(([file, { lines }]) => file !== 'total' && lines.pct < FLOOR)

for (const [file, { lines }] of low)
  console.error(`${lines.pct} % of lines covered, at least ${FLOOR} % asked for: ${file}`)
console.log(`coverage: ${summary.total.lines.pct} % of lines; ${low.length} files below ${FLOOR} %`)
if (low.length > 0) process.exitCode = 1
