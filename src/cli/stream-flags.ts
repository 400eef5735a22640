import { InvalidArgumentError, Option, type Command } from 'commander'
import { CHANNEL_NAMES, type ChannelName } from '../pipeline/stream/channels.ts'
import { addMetricsFlags, type MetricsFlags } from './metrics-flags.ts'
import type { SourceName } from '../pipeline/open-source.ts'

/** Flags that `stream` and `stream-options` share. */
export interface LiveFlags extends MetricsFlags {
  readonly source: SourceName
  readonly ignoreHours?: boolean
  readonly takeOver?: boolean
  readonly speed?: number | 'max'
}

/** Flags of `stream`. */
export interface StreamFlags extends LiveFlags {
  readonly ticker: readonly string[]
  readonly channel?: readonly ChannelName[]
  readonly date?: string
}

/** Flags of `stream-options`. */
export interface StreamOptionsFlags extends LiveFlags {
  readonly underlying: string
  readonly date: string
}

export function addLiveFlags(command: Command): Command {
  return addMetricsFlags(command)
    .option('--ignore-hours', 'for replays: do not wait for the market; the events tell the time')
    .option('--take-over', 'end the process that holds the socket of this key instead of exit 6')
    .addOption(
      new Option('--source <name>', 'where the data comes from')
        .choices(['polygon', 'simulator'] satisfies SourceName[])
        .default('polygon'),
    )
    .option('--speed <x>', 'with --source simulator: times real time, or max (default: max)', speed)
}

/** Reads `--channel`: repeated, or separated by commas. */
export function channels(text: string, before: readonly ChannelName[] = []): ChannelName[] {
  const given = text.split(',').map((word) => {
    const name = CHANNEL_NAMES.find((known) => known === word.trim().toUpperCase())
    if (name) return name
    throw new InvalidArgumentError(`'${word.trim()}' is not a channel; known: ${CHANNEL_NAMES.join(', ')}.`)
  })
  return [...new Set([...before, ...given])]
}

function speed(text: string): number | 'max' {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN
  if (text === 'max') return 'max'
  if (value > 0) return value
  throw new InvalidArgumentError('Expected a number above 0, or max.')
}
