import type { TradingSession } from '../../market/calendar/index.ts'
import type { Choice } from '../faults/choice.ts'
import type { Fault } from '../faults/kind.ts'
import type { Connection } from './connection.ts'
import { isWithin } from './moments.ts'

/** Faults that change frames on their way out. */
export interface FrameFaults {
  /** `frame` as it is really sent at market time `nowMs`: changed, twice, later or not at all. */
  frames(
    connection: Connection,
    frame: Buffer,
    nowMs: number,
    session: TradingSession | undefined,
  ): readonly Buffer[]
  /** Sends frames that wait for a successor which does not come. */
  flush(nowMs: number): void
}

interface Armed {
  readonly fault: Fault
  readonly choice: Choice
}

/** Market time after which a frame is no longer held for the next one. */
const HELD_MS = 120_000

/** The faults `armed`, in their order; `onFired` hears of every frame that one acts on. */
export function createFrameFaults(armed: readonly Armed[], onFired: (name: string) => void): FrameFaults {
  const held = new Map<Connection, { readonly frame: Buffer; readonly sinceMs: number }>()

  const changed = (name: string, connection: Connection, frame: Buffer, nowMs: number): readonly Buffer[] => {
    if (name === 'duplicate-frames') return [frame, frame]
    if (name === 'corrupt-frames') return [frame.subarray(0, frame.length >> 1)]
    if (name === 'unknown-events') return [withUnknownEvent(frame, nowMs)]
    if (held.has(connection)) return [frame]
    held.set(connection, { frame, sinceMs: nowMs })
    return []
  }
  return {
    frames: (connection, frame, nowMs, session) => {
      if (armed.length === 0) return [frame]
      const before = held.get(connection)
      let out: readonly Buffer[] = [frame]
      for (const { fault, choice } of armed) {
        const { cluster = connection.cluster } = fault.options
        if (cluster !== connection.cluster || !isWithin(fault, session, nowMs)) continue
        if (!choice.chooses(connection.cluster)) continue
        onFired(fault.name)
        out = out.flatMap((each) => changed(fault.name, connection, each, nowMs))
      }
      if (!before) return out
      held.delete(connection)
      return [...out, before.frame]
    },
    flush: (nowMs) => {
      for (const [connection, { frame, sinceMs }] of held) {
        if (nowMs - sinceMs < HELD_MS) continue
        held.delete(connection)
        connection.deliver(frame, nowMs)
      }
    },
  }
}

/** The frame with one more element at its end, of a kind that does not exist. */
function withUnknownEvent(frame: Buffer, nowMs: number): Buffer {
  const event = { ev: 'ZZ', sym: 'SIM', note: 'an event of an unknown kind', t: nowMs }
  return Buffer.concat([frame.subarray(0, -1), Buffer.from(`,${JSON.stringify(event)}]`)])
}
