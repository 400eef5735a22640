import { createWriteStream, mkdtempSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { FloodParams } from '../cases/live.ts'
import type { Figures } from '../harness/child.ts'
import { cpuMs } from '../harness/clock.ts'

interface Event {
  readonly ev: string
  readonly status?: string
}

/**
 * The straightforward recorder: ws, JSON.parse, one JSON line per event appended to a file. No fsync: what a crash
 * loses is not stated.
 */
export async function todaysStream({ url, work, messages }: FloodParams): Promise<Figures> {
  const file = createWriteStream(join(mkdtempSync(join(work, 'lines-')), 'trades.jsonl'), { flags: 'a' })
  const socket = new WebSocket(`${url}/stocks`)
  let startTickMs: number | undefined
  let cpu = process.cpuUsage()
  let left = messages
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data: Buffer) => {
      const events = JSON.parse(data.toString()) as Event[]
      const [{ ev, status }] = events as [Event]
      if (ev === 'status') return answer(socket, status)
      if (startTickMs === undefined) {
        startTickMs = performance.now()
        cpu = process.cpuUsage()
      }
      for (const event of events) file.write(`${JSON.stringify(event)}\n`)
      left -= events.length
      if (left <= 0) resolve()
    })
  })
  file.end()
  await once(file, 'finish')
  const wallMs = performance.now() - startTickMs!
  const used = cpuMs(cpu)
  socket.terminate()
  return {
    ...{ wallMs, cpuMs: used, perSecond: (messages / wallMs) * 1000, perCpuSecond: (messages / used) * 1000 },
    rssBytes: process.resourceUsage().maxRSS * 1024,
  }
}

function answer(socket: WebSocket, status: string | undefined): void {
  if (status === 'connected') socket.send(JSON.stringify({ action: 'auth', params: 'bench' }))
  if (status === 'auth_success') socket.send(JSON.stringify({ action: 'subscribe', params: 'T.*' }))
}
