import { medians, runCase, serveFlood, type Figures, type Params } from '../harness/child.ts'
import { count, megabytes, ms, times } from '../harness/table.ts'
import { atLeast, atMost, type Report, type Setup } from './section.ts'

/** Default of `stream.fsyncMs`. */
const FSYNC_MS = 200
/** Trades a second at which the latency is measured. */
const CALM_PER_SECOND = 20_000

interface Row {
  readonly label: string
  readonly name: string
  /** Trades in a frame. */
  readonly perFrame: number
}

const ROWS: readonly Row[] = [
  { label: 'socket to journal, fsynced', name: 'flood-to-journal', perFrame: 100 },
  { label: 'socket to journal, one trade a frame', name: 'flood-to-journal', perFrame: 1 },
  { label: 'as stream: journal, columns, rules, rows by key', name: 'flood-to-book', perFrame: 100 },
  { label: 'ws, JSON.parse, a JSON line per trade, no fsync', name: 'todays-stream', perFrame: 100 },
]

/** Trades from the simulator's firehose, in another process, over loopback to the journal. */
export async function live(setup: Setup): Promise<Report> {
  const { smoke } = setup
  const messages = smoke ? 20_000 : 1_000_000
  const rounds = Math.min(3, setup.rounds)
  const runs = new Map<string, Figures[]>(ROWS.map(({ label }) => [label, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { label, name, perFrame } of ROWS) {
      const size = perFrame === 1 ? messages / 4 : messages
      runs.get(label)!.push(await flooded(name, setup, { messages: size, perFrame, perSecond: 0 }))
    }
  }
  const found = Object.fromEntries([...runs].map(([label, each]) => [label, medians(each)]))
  const calm = { messages: smoke ? 2000 : 5 * CALM_PER_SECOND, perFrame: 10, perSecond: CALM_PER_SECOND }
  const latency = await flooded('frame-latency', setup, calm)
  const peer = found[ROWS.at(-1)!.label]!
  const journal = found[ROWS[0]!.label]!
  return {
    tables: [
      {
        title: `Live socket, ${count(messages)} trades over loopback`,
        head: ['', 'messages/s', 'to the peer', 'CPU', 'messages per CPU second', 'peak RSS'],
        rows: ROWS.map(({ label }) => rowOf(label, found[label]!, peer)),
        notes: [
          'A hundred trades in a frame unless said otherwise (a quarter of the trades then). CPU: of the reader, all',
          'threads; the sender is another process.',
        ],
      },
      {
        title: `From a frame's receipt until it is on the disk, at ${count(CALM_PER_SECOND)} trades a second`,
        head: ['', 'p50', 'p99', 'longest'],
        rows: [
          [`fsync every ${FSYNC_MS} ms`, ms(latency['p50Ms']!), ms(latency['p99Ms']!), ms(latency['maxMs']!)],
        ],
      },
    ],
    figures: { ...found, latency },
    targets: [
      atLeast('socket to journal', journal['perSecond']! / 1000, 100, 'k messages/s'),
      atMost('memory of the reader in a flood', journal['rssBytes']! / 1e6, 300, 'MB'),
    ],
  }
}

const rowOf = (label: string, figures: Figures, peer: Figures): string[] => [
  label,
  count(figures['perSecond']!),
  times(figures['perSecond']! / peer['perSecond']!),
  ms(figures['cpuMs']!),
  count(figures['perCpuSecond']!),
  megabytes(figures['rssBytes']!),
]

async function flooded(
  name: string,
  { work }: Setup,
  flood: { readonly messages: number; readonly perFrame: number; readonly perSecond: number },
): Promise<Figures> {
  const server = await serveFlood(flood)
  try {
    const params: Params = { url: server.url, work, messages: flood.messages, fsyncMs: FSYNC_MS }
    return await runCase(name, params)
  } finally {
    await server.stop()
  }
}
