import { websocketClient } from '@massive.com/client-js'
import { describe, expect, test, vi } from 'vitest'
import { at, DAY, type SocketEvent, simulateDay } from './support.ts'

const untilMs = at(DAY, '09:45')

/** A client that nobody here wrote. It authenticates by itself as soon as it is open. */
describe("the vendor's own client", () => {
  test('streams a quarter of an hour of stocks', async () => {
    const simulator = await simulateDay({ startMs: at(DAY, '09:30'), untilMs, lateBars: 0 })
    const socket = open('a-key', simulator.wsUrl, 'stocks')
    const events = eventsOf(socket)
    const said = (status: string): boolean => events.some((event) => event.status === status)
    await vi.waitUntil(() => said('connected') && said('auth_success'))
    socket.send(JSON.stringify({ action: 'subscribe', params: 'AM.SPY,A.QQQ,T.SPY' }))
    await vi.waitUntil(() => said('success'))
    await simulator.marketReached(untilMs)
    await vi.waitUntil(() => events.some(({ ev, s }) => ev === 'AM' && s === at(DAY, '09:43')))
    expect(new Set(events.map(({ ev }) => ev))).toEqual(new Set(['status', 'AM', 'A', 'T']))
    expect(events.filter(({ ev }) => ev === 'AM')).toHaveLength(15)
    socket.close()
  })

  test('opens the other clusters, and is told of a wrong key', async () => {
    const simulator = await simulateDay({ keys: ['right'] })
    for (const cluster of ['options', 'indices'] as const) {
      const socket = open('right', simulator.wsUrl, cluster)
      const events = eventsOf(socket)
      await vi.waitUntil(() => events.some(({ status }) => status === 'auth_success'))
      socket.close()
    }
    const wrong = open('wrong', simulator.wsUrl, 'stocks')
    const events = eventsOf(wrong)
    await vi.waitUntil(() => events.some(({ status }) => status === 'auth_failed'))
    wrong.close()
  })
})

interface VendorSocket {
  onmessage: ((message: { readonly data: string }) => void) | null
  send(text: string): void
  close(): void
}
type Cluster = 'stocks' | 'options' | 'indices'

/** The client's own types lean on a package that it does not bring along. */
function open(key: string, url: string, cluster: Cluster): VendorSocket {
  const client = websocketClient(key, url) as unknown as Readonly<Record<Cluster, () => VendorSocket>>
  return client[cluster]()
}

function eventsOf(socket: VendorSocket): SocketEvent[] {
  const events: SocketEvent[] = []
  socket.onmessage = ({ data }) => {
    events.push(...(JSON.parse(data) as SocketEvent[]))
  }
  return events
}
