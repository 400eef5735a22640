import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Sent } from './faults/inject.ts'

const gzipBytes = promisify(gzip)
const TRICKLE_PIECES = 20

/** Puts an answer on the wire, gzip where the client takes it, whole or broken as the faults say. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  { answer, wire }: Sent,
): Promise<void> {
  if (wire.mode === 'none') return
  if (wire.delayMs > 0) await sleep(wire.delayMs)
  if (wire.mode === 'reset-before') return reset(response)
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const body = zipped ? await gzipBytes(answer.body, { level: 1 }) : answer.body
  response.writeHead(answer.status, {
    'Content-Type': answer.contentType,
    ...(wire.mode === 'cut-chunked' ? {} : { 'Content-Length': body.length }),
    ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
    ...answer.headers,
  })
  if (wire.mode === 'whole') return trickle(response, body, wire.trickleMs)
  response.flushHeaders()
  if (wire.mode !== 'reset-headers') await written(response, body.subarray(0, body.length >> 1))
  if (wire.mode === 'cut-length' || wire.mode === 'cut-chunked') response.socket?.end()
  else reset(response)
}

async function trickle(response: ServerResponse, body: Buffer, overMs: number): Promise<void> {
  if (overMs > 0) {
    const size = Math.ceil(body.length / TRICKLE_PIECES)
    for (let at = 0; at < body.length && !response.destroyed; at += size) {
      await written(response, body.subarray(at, at + size))
      await sleep(overMs / TRICKLE_PIECES)
    }
    response.end()
  } else response.end(body)
}

function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => response.write(bytes, () => resolve()))
}

function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}
