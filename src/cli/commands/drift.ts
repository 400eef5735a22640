import type { Command } from 'commander'
import type { Cli } from '../cli.ts'
import type { RunContext } from '../context.ts'
import { formatNumber } from '../format.ts'
import { examples } from '../program-text.ts'
import { seriesFilter } from '../series-flags.ts'
import { collect } from '../arguments.ts'

interface DriftFlags {
  readonly dataset?: readonly string[]
  readonly clear: boolean
}

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('drift')
    .description("fields of the vendor's answers that are not what they were; silent where nothing changed")
    .option('--dataset <name>', 'only this dataset (repeatable)', collect)
    .option('--clear', 'forget what was noted: the changes are known', false)
    .action(cli.action(drift))
  examples(
    command,
    ['drift', 'what changed, since when, how often'],
    ['drift --json', 'with samples, as JSON'],
    ['drift --clear', 'after it was dealt with'],
  )
}

async function drift({ config, out, flags }: RunContext, given: DriftFlags): Promise<void> {
  const { datasets } = await seriesFilter(given)
  const { changeDrift, readDrift } = await import('../../pipeline/drift/store.ts')
  const isMeant = ({ dataset }: { readonly dataset: string }): boolean => datasets?.includes(dataset) ?? true
  const entries = (await readDrift(config.dataDir)).entries.filter(isMeant)
  if (given.clear && entries.length > 0) {
    await changeDrift(config.dataDir, (state) => ({
      ...state,
      entries: state.entries.filter((entry) => !isMeant(entry)),
    }))
  }
  if (flags.json) {
    const documents = entries.map(({ field, firstSeen, count, sample, alertedOn: _alertedOn, ...rest }) => ({
      ...{ field, firstSeen, count, sample },
      ...rest,
    }))
    return out.json('tapelake.drift', 1, { dataDir: config.dataDir, drift: documents })
  }
  if (entries.length === 0) return
  const { driftText } = await import('../../pipeline/drift/watch.ts')
  await out.table(
    ['what changed', 'first seen', 'last seen', 'rows', 'contract', 'sample'],
    entries.map((entry) => [
      ...[driftText(entry), entry.firstSeen.slice(0, 16), entry.lastSeen.slice(0, 16)],
      ...[formatNumber(entry.count), entry.contract, entry.sample.slice(0, MAX_SAMPLE)],
    ]),
    { right: [3] },
  )
}

/** Characters of a sample shown to people. */
const MAX_SAMPLE = 60
