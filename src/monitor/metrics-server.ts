import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigError, messageOf } from '../core/errors.ts'
import type { Metrics } from './metrics.ts'

export interface MetricsServer {
  /** `http://127.0.0.1:9464/metrics` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves `GET /metrics`. It does not keep the process alive.
 *
 * @param port 0 lets the system choose
 * @throws {ConfigError} when the port cannot be had
 */
export async function serveMetrics(metrics: Metrics, host: string, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (path !== '/metrics' || !['GET', 'HEAD'].includes(request.method ?? '')) {
      response.writeHead(path === '/metrics' ? 405 : 404, { 'content-type': 'text/plain' })
      return void response.end('Metrics are at GET /metrics\n')
    }
    metrics.render().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
    )
  })
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new ConfigError(`metrics cannot be served on ${host}:${port}: ${messageOf(cause)}`, {
          cause,
          hint: 'Choose another --metrics-port; 0 takes any free one.',
        }),
      ),
    )
    server.listen(port, host, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
