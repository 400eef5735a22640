import { UsageError } from '../../core/errors.ts'
import { ANSWER_KINDS } from './answers.ts'
import type { Fault, FaultKind } from './kind.ts'
import { CHOICE_OPTIONS, type OptionSpecs, type OptionValue, parseOption } from './options.ts'
import { PAGE_KINDS } from './pages.ts'
import { ROW_KINDS } from './rows.ts'
import { MOMENT_OPTIONS, SOCKET_KINDS, WINDOW_OPTIONS } from '../socket/fault-kinds.ts'

export { type Fault } from './kind.ts'

/** Every fault there is. */
export const FAULT_KINDS: readonly FaultKind[] = [
  ...ANSWER_KINDS,
  ...PAGE_KINDS,
  ...ROW_KINDS,
  ...SOCKET_KINDS,
]

/** The kind of `fault`. */
export function kindOf(fault: Fault): FaultKind {
  return kindNamed(fault.name)
}

function kindNamed(name: string): FaultKind {
  const kind = FAULT_KINDS.find((known) => known.name === name)
  if (kind) return kind
  throw new UsageError(`unknown fault '${name}'`, {
    hint: `Faults: ${FAULT_KINDS.map((known) => known.name).join(', ')}.`,
  })
}

/**
 * Reads `NAME` or `NAME:option=value,option=value`, e.g. `429:first=2,retry-after=1`.
 *
 * @throws {UsageError} naming an unknown fault or option, a value that does not fit or a missing one
 */
export function parseFault(text: string): Fault {
  const colon = text.indexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon)
  const kind = kindNamed(name)
  const specs: OptionSpecs = { ...(kind.choice ?? CHOICE_OPTIONS), ...kind.options }
  const options: Record<string, OptionValue> = {}
  for (const [option, spec] of Object.entries(specs)) {
    if (spec.fallback !== undefined) options[option] = spec.fallback
  }
  for (const part of colon < 0 ? [] : text.slice(colon + 1).split(',')) {
    const [option = '', ...value] = part.split('=')
    const spec = Object.hasOwn(specs, option) ? specs[option] : undefined
    if (!spec) {
      throw new UsageError(`fault '${name}': unknown option '${option}'`, {
        hint: `Options: ${Object.keys(specs).join(', ')}.`,
      })
    }
    options[option] = parseOption(name, option, spec, value.join('='))
  }
  if (name === 'missing-day' && options['day'] === undefined) {
    throw new UsageError("fault 'missing-day' needs a day", { hint: 'Say missing-day:day=2025-01-03.' })
  }
  return { name, options }
}

/** The faults and their options as lines of text, for `--help` and the documentation. */
export function describeFaults(): string {
  const lines = FAULT_KINDS.flatMap(({ name, does, options }) => [
    `${name.padEnd(18)}${does}`,
    ...describeOptions(options),
  ])
  return [
    ...lines,
    ...['', 'Options of every fault of calls:', ...describeOptions(CHOICE_OPTIONS)],
    ...['', 'Options of cut, close, kick, silence and stall:', ...describeOptions(MOMENT_OPTIONS)],
    ...['', 'Options of the other faults of the socket:', ...describeOptions(WINDOW_OPTIONS)],
  ].join('\n')
}

function describeOptions(options: OptionSpecs): string[] {
  return Object.entries(options).map(([name, { type, does, fallback }]) => {
    const value = typeof type === 'string' ? VALUE_NAMES[type] : type.join('|')
    const preset = fallback === undefined ? '' : ` (default ${fallback})`
    return `  ${`${name}=${value}`.padEnd(32)}${does}${preset}`
  })
}

const VALUE_NAMES: Readonly<Record<string, string>> = {
  count: 'N',
  ratio: '0..1',
  date: 'YYYY-MM-DD',
  text: 'TEXT',
  time: 'HH:MM[:SS]',
  seconds: 'N[-M]',
}
