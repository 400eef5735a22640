// The main job on the embedded simulator: record, query, show. Synthetic data, in a directory of its own.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const tapelake = fileURLToPath(new URL('../bin/tapelake.js', import.meta.url))
const dataDir = fileURLToPath(new URL('../data/demo', import.meta.url))

const BY_DAY = `
  SELECT timezone('America/New_York', timestamp)::DATE AS session, count(*) AS bars,
         min(low) AS low, max(high) AS high, round(sum(volume)) AS volume
  FROM equity_bars_1m WHERE ticker = 'SPY' GROUP BY session ORDER BY session DESC LIMIT 5`

run('backfill', '--ticker', 'SPY', '--days', '250', '--source', 'simulator')
run('query', BY_DAY.trim().replace(/\s+/g, ' '))
run('status')

function run(...args) {
  const shown = args.map((arg) => (arg.includes(' ') ? `"${arg}"` : arg)).join(' ')
  console.error(`\n$ tapelake ${shown} --data-dir data/demo`)
  const { status } = spawnSync(process.execPath, [tapelake, ...args, '--data-dir', dataDir], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
