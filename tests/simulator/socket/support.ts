import { afterAll, expect, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../../src/simulator/index.ts'

/** One event of a frame; numbers mostly. */
export interface SocketEvent extends Record<string, unknown> {
  readonly ev: string
  readonly sym: string
  readonly s: number
  readonly e: number
  readonly t: number
  readonly v: number
  readonly status?: string
  readonly message?: string
}

/** A bare client: what it was sent, in order, and how it ended. */
export interface Client {
  readonly socket: WebSocket
  readonly frames: readonly string[]
  /** Events of all frames that are JSON, statuses left out. */
  readonly events: readonly SocketEvent[]
  readonly statuses: readonly SocketEvent[]
  /** Code of the closing handshake; 1006 where there was none. */
  readonly closed: Promise<number>
  send(action: string, params: string): void
  /** Resolves with the status event of this name, once it has come. */
  status(name: string, nth?: number): Promise<SocketEvent>
}

/** Connects and says nothing. */
export function connect(
  simulator: Simulator,
  path = '/stocks',
  options: { autoPong?: boolean } = {},
): Client {
  const socket = new WebSocket(simulator.wsUrl + path, options)
  const frames: string[] = []
  const events: SocketEvent[] = []
  const statuses: SocketEvent[] = []
  socket.on('message', (data: Buffer) => {
    frames.push(data.toString())
    for (const event of parsed(data.toString())) (event.ev === 'status' ? statuses : events).push(event)
  })
  socket.on('error', () => undefined)
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  return {
    ...{ socket, frames, events, statuses, closed },
    send: (action, params) => socket.send(JSON.stringify({ action, params })),
    status: async (name, nth = 1) => {
      const found = () => statuses.filter(({ status }) => status === name)[nth - 1]
      await vi.waitUntil(found, { timeout: 10_000, interval: 2 })
      return found()!
    },
  }
}

function parsed(text: string): SocketEvent[] {
  try {
    return JSON.parse(text) as SocketEvent[]
  } catch {
    return []
  }
}

/** Connects, authenticates and subscribes; resolves once that is acknowledged. */
export async function follow(
  simulator: Simulator,
  params: string,
  path = '/stocks',
  key = 'a-key',
): Promise<Client> {
  const client = connect(simulator, path)
  await client.status('connected')
  client.send('auth', key)
  await client.status('auth_success')
  client.send('subscribe', params)
  await client.status('success')
  return client
}

/** An ordinary Tuesday. */
export const DAY = '2025-06-03'

/** An instant of New York, e.g. `at('2025-06-03', '10:30')`, in summer time unless told. */
export const at = (date: string, time: string, offset = '-04:00'): number =>
  Date.parse(`${date}T${time.length === 5 ? `${time}:00` : time}${offset}`)

/** A simulator with a market clock of its own; it is closed after the file's tests. */
export async function simulateMarket(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator(options)
  open.push(simulator)
  return simulator
}

const open: Simulator[] = []
afterAll(async () => {
  await Promise.all(open.map((simulator) => simulator.close()))
})

/** At full speed from 04:00 of {@link DAY} until midnight. */
export const simulateDay = (options: SimulatorOptions = {}): Promise<Simulator> =>
  simulateMarket({ startMs: at(DAY, '04:00'), speed: 'max', ...options })

/** Follows `params` until everything up to market time `untilMs` was sent and read. */
export async function record(
  simulator: Simulator,
  params: string,
  { path = '/stocks', untilMs = at(DAY, '20:10') } = {},
): Promise<Client> {
  const client = await follow(simulator, params, path)
  await simulator.marketReached(untilMs)
  await settled(client)
  return client
}

/** Resolves once the client has read all that was sent to it: a ping comes back behind the rest. */
export async function settled({ socket }: Client): Promise<void> {
  if (socket.readyState !== WebSocket.OPEN) return
  await new Promise<void>((resolve) => {
    socket.once('pong', () => resolve())
    socket.ping()
  })
}

/** Events by start, the last one of a start winning, as a reader must take them. */
export function latest(events: readonly SocketEvent[]): SocketEvent[] {
  return [...new Map(events.map((event) => [`${event.sym} ${event.s}`, event])).values()].sort(
    (a, b) => a.s - b.s,
  )
}

/** Starts as `HH:MM` in New York summer time, without repeats. */
export const clockTimes = (events: readonly SocketEvent[]): string[] => [
  ...new Set(events.map(({ s }) => new Date(s - 4 * 3_600_000).toISOString().slice(11, 16))),
]

export function expectAscending(events: readonly SocketEvent[]): void {
  for (let i = 1; i < events.length; i++) expect(events[i]!.s).toBeGreaterThanOrEqual(events[i - 1]!.s)
}
