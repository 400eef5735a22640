import { readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { IntegrityError, LakeMismatchError, UsageError } from '../core/errors.ts'
import { readLedgerFile, readNext } from '../lake/commit.ts'
import { fsyncFolder, onDisk } from '../lake/durable.ts'
import { dataPaths, encodeTicker, TEMPORARY_SUFFIX } from '../lake/layout.ts'
import { sweepStaged } from '../lake/staged-file.ts'
import { optionContracts } from '../market/datasets/options.ts'
import { parseDate } from '../market/time.ts'

/** What `discover` found for one underlying and day, as it is kept below `raw/options/contracts/`. */
export const DISCOVERY_VERSION = 1

const contractSchema = z.object({
  /** Underlying. */
  ticker: z.string(),
  /** Symbol: `O:SPY250103C00585000`. */
  contract: z.string(),
  root: z.string().nullable(),
  expiration_date: z.iso.date(),
  strike_price: z.number().positive(),
  contract_type: z.enum(['call', 'put']),
  exercise_style: z.string().nullable(),
  shares_per_contract: z.number().nullable(),
  primary_exchange: z.string().nullable(),
  cfi: z.string().nullable(),
  /** What else is delivered: a JSON array as text. */
  additional_underlyings: z.string().nullable(),
})
export type DiscoveredContract = z.infer<typeof contractSchema>

const discoverySchema = z.object({
  schema: z.object({ name: z.literal('tapelake.discovery'), version: z.literal(DISCOVERY_VERSION) }),
  underlying: z.string(),
  /** Session, `YYYY-MM-DD`; the contracts were listed as of this day. */
  date: z.iso.date(),
  /** The price that the strikes lie around, what kind of price it is, and whose. */
  price: z.number().positive(),
  priceBasis: z.enum(['open', 'pre_market', 'last', 'previous_close']),
  priceTicker: z.string(),
  /** 0.01 is ±1 %. */
  strikeRange: z.number().nonnegative(),
  /** Outermost strikes of the window, both inclusive. */
  strikeFrom: z.number(),
  strikeTo: z.number(),
  expiryDays: z.int().nonnegative(),
  /** Expirations of the window, both inclusive. */
  expiresFrom: z.iso.date(),
  expiresTo: z.iso.date(),
  source: z.string(),
  provenance: z.enum(['real', 'synthetic']),
  run: z.string(),
  discoveredAt: z.string(),
  /** Why there are no contracts, where there are none. */
  reason: z.string().optional(),
  /** By expiration, strike and type; each once. */
  contracts: z.array(contractSchema),
})
export type Discovery = z.infer<typeof discoverySchema>

/** Folder of the discoveries of one underlying. */
export const discoveryFolder = (dataDir: string, underlying: string): string =>
  join(dataPaths(dataDir).raw, 'options', 'contracts', encodeTicker(underlying))

/** The file of one discovery. */
export const discoveryPath = (dataDir: string, underlying: string, date: string): string =>
  join(discoveryFolder(dataDir, underlying), `${date}.json`)

/** `discovery` as text: the schema first, one contract a line. */
export function formatDiscovery({ contracts, ...head }: Discovery): string {
  const lines = contracts.map((contract) => `    ${JSON.stringify(contract)}`)
  const list = lines.length === 0 ? '[]' : `[\n${lines.join(',\n')}\n  ]`
  return `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "contracts": ${list}\n}\n`
}

/**
 * The discovery of `underlying` on `date`.
 *
 * @throws {UsageError} when nothing was discovered for that day
 * @throws {IntegrityError} when the file is damaged
 * @throws {LakeMismatchError} when a newer tapelake wrote it
 */
export async function loadContracts(dataDir: string, underlying: string, date: string): Promise<Discovery> {
  const path = discoveryPath(dataDir, underlying, parseDate(date))
  const text = (await committedText(dataDir, underlying, date)) ?? (await textOf(path))
  if (text === undefined) {
    throw new UsageError(`no contracts of ${underlying} were discovered for ${date}`, {
      hint: `Run \`tapelake discover --underlying ${underlying} --date ${date}\` first.`,
    })
  }
  return parseDiscovery(text, path, underlying, date)
}

function parseDiscovery(text: string, path: string, underlying: string, date: string): Discovery {
  const json = parseJson(text)
  const { schema } = (json ?? {}) as { schema?: { version?: unknown } }
  if (typeof schema?.version === 'number' && schema.version > DISCOVERY_VERSION) {
    throw new LakeMismatchError(
      `${path} has version ${schema.version}; this tapelake knows ${DISCOVERY_VERSION}`,
      {
        hint: 'Upgrade tapelake, or discover the day again.',
      },
    )
  }
  const parsed = discoverySchema.safeParse(json)
  const hint = `Run \`tapelake discover --underlying ${underlying} --date ${date}\` again.`
  if (!parsed.success) {
    throw new IntegrityError(`${path} is damaged: ${z.prettifyError(parsed.error)}`, { hint })
  }
  const { data } = parsed
  if (data.underlying !== underlying || data.date !== date) {
    throw new IntegrityError(`${path} is the discovery of ${data.underlying} on ${data.date}`, { hint })
  }
  return data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Days of `underlying` that have a discovery, ascending. */
export async function discoveredDates(dataDir: string, underlying: string): Promise<string[]> {
  const names = await readdir(discoveryFolder(dataDir, underlying)).catch(() => [])
  const dates = new Set(datesIn(names, ''))
  for (const date of datesIn(names, TEMPORARY_SUFFIX))
    if ((await committedText(dataDir, underlying, date)) !== undefined) dates.add(date)
  return [...dates].sort()
}

/**
 * Finishes what a kill cut off between the commit of a discovery to the lake and the renaming of its file, and
 * removes files of discoveries that never were committed. To be called by the one writer of the contracts.
 */
export async function recoverDiscoveries(dataDir: string, underlying: string): Promise<void> {
  const folder = discoveryFolder(dataDir, underlying)
  const names = await readdir(folder).catch(() => [])
  for (const date of datesIn(names, TEMPORARY_SUFFIX)) {
    if ((await committedText(dataDir, underlying, date)) === undefined) continue
    const path = discoveryPath(dataDir, underlying, date)
    await onDisk(path, () => rename(path + TEMPORARY_SUFFIX, path))
    await fsyncFolder(folder)
  }
  await sweepStaged(folder)
}

const datesIn = (names: readonly string[], suffix: string): string[] =>
  names.flatMap((name) => {
    const date = /^(\d{4}-\d{2}-\d{2})\.json/.exec(name)?.[1]
    return date !== undefined && name === `${date}.json${suffix}` ? [date] : []
  })

/** The text of a staged file whose discovery the lake has committed: it was whole on the disk before that. */
async function committedText(dataDir: string, underlying: string, date: string): Promise<string | undefined> {
  const text = await textOf(discoveryPath(dataDir, underlying, date) + TEMPORARY_SUFFIX)
  if (text === undefined) return undefined
  const { run } = (parseJson(text) ?? {}) as { readonly run?: unknown }
  if (typeof run !== 'string') return undefined
  const series = { dataset: optionContracts, ticker: underlying }
  const ledger = (await readNext(dataDir, series)) ?? (await readLedgerFile(dataDir, series))
  return ledger?.cells[date]?.run === run ? text : undefined
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}
