import http from 'node:http'
import https from 'node:https'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { withDeadline } from '../../core/abort.ts'
import { TimeoutError } from '../../core/errors.ts'

/** No page of the vendor comes near this; a body that grows beyond it is refused. */
const MAX_BODY_BYTES = 512 * 1024 * 1024

/** Pieces in which a body is decompressed that does not say how long it will be, or says something unlikely. */
const DECOMPRESSED_PIECE_BYTES = 1024 * 1024
const MAX_ANNOUNCED_BYTES = 32 * 1024 * 1024

/** An HTTP answer of any status, its body whole and decompressed. */
export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
  readonly ms: number
}

export interface Transport {
  /**
   * GETs `baseUrl` + `path`. Redirects are not followed: the key goes to the base URL and nowhere else.
   *
   * @throws {TimeoutError} when the answer is not whole within `deadlineMs` milliseconds
   * @throws what axios throws when no whole answer comes; at once when `signal` aborts
   */
  get(path: string, deadlineMs: number, signal: AbortSignal): Promise<Answer>
  close(): void
}

export interface TransportOptions {
  /** Without a trailing slash. */
  readonly baseUrl: string
  readonly apiKey: string
  readonly connectMs: number
}

/** HTTP over our own axios instance: it takes 100 ms to load, so it is loaded here and only here. */
export async function createTransport(options: TransportOptions): Promise<Transport> {
  const { baseUrl, apiKey, connectMs } = options
  const { default: axios } = await import('axios')
  const httpAgent = limitConnect(new http.Agent({ keepAlive: true }), 'connect', connectMs)
  const httpsAgent = limitConnect(new https.Agent({ keepAlive: true }), 'secureConnect', connectMs)
  const instance = axios.create({
    httpAgent,
    httpsAgent,
    responseType: 'arraybuffer',
    transformResponse: (body: unknown) => body,
    validateStatus: () => true,
    maxRedirects: 0,
    maxContentLength: MAX_BODY_BYTES,
    decompress: false, // axios does it in pieces of 16 KB, which costs more than the decompression itself
    headers: {
      Authorization: `Bearer ${apiKey}`,
      Accept: 'application/json',
      'Accept-Encoding': 'gzip',
      'User-Agent': 'tapelake',
    },
  })

  async function send(path: string, signal: AbortSignal): Promise<Answer> {
    const startMs = performance.now()
    const { status, headers, data } = await instance.get<Buffer>(baseUrl + path, { signal })
    const plain = plainHeaders(headers)
    const body = await decompressed(data, plain['content-encoding'])
    return { status, headers: plain, body, ms: performance.now() - startMs }
  }

  return {
    get: (path, deadlineMs, signal) => {
      const late = () => new TimeoutError(`no whole answer within ${deadlineMs} ms`, { request: path })
      return withDeadline(deadlineMs, late, (linked) => send(path, linked), signal)
    },
    close: () => {
      httpAgent.destroy()
      httpsAgent.destroy()
    },
  }
}

const DECOMPRESSORS: Readonly<Record<string, (body: Buffer, options: zlib.ZlibOptions) => Promise<Buffer>>> =
  {
    gzip: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip),
    deflate: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate),
    br: promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress),
  }

/** @throws what zlib throws when `body` is cut off, broken or grows beyond the limit */
async function decompressed(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  const decompress = DECOMPRESSORS[encoding?.trim().toLowerCase() ?? '']
  if (!decompress || body.length === 0) return body
  const chunkSize = encoding === 'gzip' ? announcedBytes(body) : DECOMPRESSED_PIECE_BYTES
  return await decompress(body, { chunkSize, maxOutputLength: MAX_BODY_BYTES })
}

/**
 * Bytes to make room for. Gzip ends with the length of what it holds, so all of it goes into one piece of memory; of
 * several parts in one body only the last says so.
 */
function announcedBytes(body: Buffer): number {
  const length = body.length < 4 ? 0 : body.readUInt32LE(body.length - 4)
  const likely = length <= MAX_ANNOUNCED_BYTES ? length : DECOMPRESSED_PIECE_BYTES
  return Math.max(likely + 64, 4 * Math.min(body.length, DECOMPRESSED_PIECE_BYTES))
}

function plainHeaders(headers: object): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  )
}

/** Makes `agent` give up on a connection that is not usable within `connectMs`; Node has no option for it. */
function limitConnect<A extends http.Agent>(
  agent: A,
  usable: 'connect' | 'secureConnect',
  connectMs: number,
): A {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback)
    if (!socket) return socket
    const giveUp = () => {
      const error = new Error(`no connection within ${connectMs} ms`)
      socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
    }
    const timer = setTimeout(giveUp, connectMs)
    for (const event of [usable, 'close']) socket.once(event, () => clearTimeout(timer))
    return socket
  }
  return agent
}
