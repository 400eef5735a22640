import type { FaultKind } from '../faults/kind.ts'
import type { OptionSpecs } from '../faults/options.ts'
import { CLUSTERS } from './clusters.ts'

const PLACE_OPTIONS: OptionSpecs = {
  cluster: { type: CLUSTERS, does: 'only on this cluster' },
  day: { type: 'date', does: 'only on this New York date' },
}

/** When a fault of the connection strikes. Without `at`, `every` and `times`: once a session. */
export const MOMENT_OPTIONS: OptionSpecs = {
  at: { type: 'time', does: 'strike at this New York time of every session' },
  every: { type: 'count', does: 'strike every N seconds of a session' },
  times: { type: 'count', does: 'strike N times within the regular hours, at moments chosen by the seed' },
  first: { type: 'count', does: 'strike N times, then no more' },
  ...PLACE_OPTIONS,
}

/** Which frames or attempts a fault acts on. Without any of them: on all. */
export const WINDOW_OPTIONS: OptionSpecs = {
  at: { type: 'time', does: 'only from this New York time of a session on, for as long as `for` says' },
  for: { type: 'seconds', does: 'seconds of market time from `at` on', fallback: '60' },
  after: { type: 'count', does: 'leave the first N frames or attempts alone' },
  first: { type: 'count', does: 'act on N of them, then no more' },
  every: { type: 'count', does: 'act on one in N' },
  rate: { type: 'ratio', does: 'act on this share of them, chosen by the seed' },
  burst: { type: 'count', does: 'once it acts, act on N in a row' },
  ...PLACE_OPTIONS,
}

const lasting = (does: string): OptionSpecs => ({ for: { type: 'seconds', does, fallback: '60' } })

const moment = (name: string, does: string, options: OptionSpecs): FaultKind => ({
  name,
  does,
  options,
  choice: MOMENT_OPTIONS,
  socket: 'moment',
})
const ofFrames = (name: string, does: string): FaultKind => ({
  name,
  does,
  options: {},
  choice: WINDOW_OPTIONS,
  socket: 'frames',
})
const ofAttempts = (name: string, does: string): FaultKind => ({
  name,
  does,
  options: {},
  choice: WINDOW_OPTIONS,
  socket: 'attempts',
})

/** How the live socket goes wrong. What is sent meanwhile is lost, as at the vendor: nothing is replayed. */
export const SOCKET_KINDS: readonly FaultKind[] = [
  moment(
    'cut',
    'socket: resets the connections',
    lasting('N or N-M seconds of market time in which nobody gets back in'),
  ),
  moment(
    'close',
    'socket: closes the connections with 1000',
    lasting('N or N-M seconds of market time in which nobody gets back in'),
  ),
  moment(
    'kick',
    'socket: max_connections and close 1008, as if another process had come with the key',
    lasting('N or N-M seconds by which a market at full speed goes on before it waits'),
  ),
  moment('silence', 'socket: sends nothing over connections that stay open', {
    ...lasting('N or N-M seconds of market time'),
    pings: {
      type: ['answered', 'ignored'],
      does: "whether the client's pings are answered meanwhile",
      fallback: 'answered',
    },
  }),
  moment(
    'stall',
    'socket: keeps everything back, then sends it at once',
    lasting('N or N-M seconds of market time'),
  ),
  ofFrames('duplicate-frames', 'socket: sends frames twice'),
  ofFrames('reorder-frames', 'socket: sends a frame after the one that follows it'),
  ofFrames('corrupt-frames', 'socket: cuts the JSON of frames in the middle'),
  ofFrames('unknown-events', 'socket: adds an event of a kind that no client knows'),
  ofAttempts('refuse-connect', 'socket: resets new connections before the handshake'),
  ofAttempts('auth-failed', 'socket: refuses a key that is good'),
]
